//! Running the cases in a browser: the page asks for their names and runs one after the other, on
//! WebGPU or on `flex`. A panic ends this instance of the module; its message goes to the page,
//! which goes on with another instance.

use std::cell::RefCell;
use std::panic;

use burn::tensor::Device;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    /// Of the page: takes the message of a panic.
    #[wasm_bindgen(js_name = likewisePanicked)]
    fn panicked(message: &str);
}

thread_local! {
    /// The WebGPU device, once it is there: it can be initialised once only.
    static WEBGPU: RefCell<Option<Device>> = const { RefCell::new(None) };
}

/// Names of all cases.
#[wasm_bindgen]
pub fn names() -> Vec<String> {
    crate::cases().into_iter().map(|case| case.name).collect()
}

/// Runs the case `name` on `device`, `webgpu` or `flex`. It fails by panicking.
///
/// # Errors
///
/// Without a WebGPU adapter, and for names that do not exist.
#[wasm_bindgen]
pub async fn run(name: String, device: String) -> Result<(), JsValue> {
    panic::set_hook(Box::new(|info| panicked(&info.to_string())));
    let case = crate::cases().into_iter().find(|case| case.name == name);
    let case = case.ok_or_else(|| JsValue::from(format!("there is no case `{name}`")))?;
    let device = match device.as_str() {
        "flex" => Device::flex(),
        "webgpu" => webgpu().await?,
        other => return Err(format!("there is no device `{other}`").into()),
    };
    (case.run)(device).await;
    Ok(())
}

async fn webgpu() -> Result<Device, String> {
    if let Some(device) = WEBGPU.with_borrow(Clone::clone) {
        return Ok(device);
    }
    let device = Device::wgpu_options()
        .init_async()
        .await
        .map_err(|error| format!("no WebGPU device: {error}"))?;
    WEBGPU.set(Some(device.clone()));
    Ok(device)
}
