//! The graphics adapters of this machine, as the tensor library will number them.

use burn::tensor::DeviceKind;
use burn::tensor::wgpu::WgpuBackend;
use serde::Serialize;

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A card of its own.
    Discrete,
    /// Shares memory with the processor.
    Integrated,
    /// A GPU passed into a virtual machine.
    Virtual,
    /// A driver that computes on the processor (lavapipe, SwiftShader, WARP).
    Software,
    /// Something the driver does not describe; not used.
    Unknown,
}

/// One graphics adapter.
#[derive(Clone, Debug, Serialize)]
pub struct Adapter {
    /// Name given by the driver.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Position among the adapters of its kind.
    pub index: usize,
    /// Graphics interface: vulkan, metal or dx12.
    pub interface: String,
    /// The tensor library's name for that.
    #[serde(skip)]
    pub graphics_api: WgpuBackend,
    /// Driver and its version.
    pub driver: String,
    /// Bytes of its own memory, if its driver says.
    pub memory: Option<u64>,
    /// Largest single buffer a kernel may see, in bytes.
    pub max_buffer_binding: u64,
    /// Largest number of invocations in a workgroup.
    pub max_workgroup_invocations: u32,
    /// Workgroup memory in bytes.
    pub max_workgroup_storage: u32,
    /// Storage buffers a kernel may use.
    pub max_storage_buffers: u32,
}

impl Adapter {
    /// Whether it is hardware.
    pub fn is_gpu(&self) -> bool {
        matches!(self.kind, Kind::Discrete | Kind::Integrated | Kind::Virtual)
    }

    /// The tensor library's name for it; `None` for an adapter it cannot address.
    pub fn device_kind(&self) -> Option<DeviceKind> {
        match self.kind {
            Kind::Discrete => Some(DeviceKind::DiscreteGpu(self.index)),
            Kind::Integrated => Some(DeviceKind::IntegratedGpu(self.index)),
            Kind::Virtual => Some(DeviceKind::VirtualGpu(self.index)),
            Kind::Software => (self.index == 0).then_some(DeviceKind::Cpu),
            Kind::Unknown => None,
        }
    }
}

/// Adapters of the first graphics interface with a GPU, or else of the first with anything.
pub fn adapters() -> Vec<Adapter> {
    let interfaces = if cfg!(target_os = "macos") {
        vec![wgpu::Backends::METAL]
    } else {
        vec![wgpu::Backends::VULKAN, wgpu::Backends::DX12]
    };
    let mut software_only = Vec::new();
    for interface in interfaces {
        let found = adapters_on(interface);
        if found.iter().any(|adapter| adapter.kind != Kind::Software) {
            return found;
        }
        if software_only.is_empty() {
            software_only = found;
        }
    }
    software_only
}

fn adapters_on(interface: wgpu::Backends) -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: interface,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut found: Vec<Adapter> = Vec::new();
    for adapter in pollster::block_on(instance.enumerate_adapters(interface)) {
        let info = adapter.get_info();
        let limits = adapter.limits();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => Kind::Discrete,
            wgpu::DeviceType::IntegratedGpu => Kind::Integrated,
            wgpu::DeviceType::VirtualGpu => Kind::Virtual,
            wgpu::DeviceType::Cpu => Kind::Software,
            wgpu::DeviceType::Other => Kind::Unknown,
        };
        let index = found.iter().filter(|other| other.kind == kind).count();
        let memory = own_memory(&adapter);
        found.push(Adapter {
            memory,
            name: info.name,
            kind,
            index,
            interface: info.backend.to_str().to_string(),
            graphics_api: match info.backend {
                wgpu::Backend::Metal => WgpuBackend::Metal,
                wgpu::Backend::Dx12 => WgpuBackend::Dx12,
                _ => WgpuBackend::Vulkan,
            },
            driver: format!("{} {}", info.driver, info.driver_info)
                .trim()
                .to_string(),
            max_buffer_binding: limits.max_storage_buffer_binding_size,
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            max_workgroup_storage: limits.max_compute_workgroup_storage_size,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
        });
    }
    found
}

/// Size of the largest heap that is the adapter's own. wgpu does not tell; Vulkan does.
#[expect(
    unsafe_code,
    reason = "the handles are used while the adapter that owns them is alive, and only asked for numbers"
)]
fn own_memory(adapter: &wgpu::Adapter) -> Option<u64> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: nothing is destroyed through the handles, and `vulkan` keeps them alive.
    let heaps = unsafe {
        let vulkan = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = vulkan.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(vulkan.raw_physical_device())
    };
    let heaps = heaps
        .memory_heaps
        .iter()
        .take(heaps.memory_heap_count as usize);
    let own = heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    own.map(|heap| heap.size).max()
}
