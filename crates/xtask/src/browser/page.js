// Runs every case of the module devices.js on each device and posts the outcomes.

const DEVICES = ["flex", "webgpu"];

const post = (message) => fetch("/", { method: "POST", body: JSON.stringify(message) });

// Errors of WebGPU devices come outside of any call, and the results are then what the memory held.
let gpuDevices = [];
let deviceErrors = [];
if (navigator.gpu) {
  const requestDevice = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...descriptor) {
    const device = await requestDevice.apply(this, descriptor);
    gpuDevices.push(device);
    device.addEventListener("uncapturederror", (event) => deviceErrors.push(event.error.message));
    device.lost.then(({ reason, message }) => {
      if (reason !== "destroyed") deviceErrors.push(`device lost: ${message}`);
    });
    return device;
  };
  // What is wrong with a shader is told here alone.
  const createShaderModule = GPUDevice.prototype.createShaderModule;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    const shader = createShaderModule.call(this, descriptor);
    shader.getCompilationInfo().then(({ messages }) => {
      const errors = messages.filter(({ type }) => type === "error");
      deviceErrors.push(...errors.map(({ lineNum, message }) => `line ${lineNum}: ${message}`));
    });
    return shader;
  };
}

// A panic never lets its promise end: it calls `likewisePanicked` and traps. Other traps show as
// errors of the window alone.
let fail = () => {};
globalThis.likewisePanicked = (message) => fail(message);
addEventListener("error", (event) => fail(event.message));
addEventListener("unhandledrejection", (event) => fail(String(event.reason)));

let compiled;
let module;
let instances = 0;

// Modules of other addresses are other modules, each with memory of its own.
const load = async () => {
  compiled ??= await WebAssembly.compileStreaming(fetch("devices_bg.wasm"));
  module = await import(`./devices.js?${instances++}`);
  await module.default({ module_or_path: compiled });
};

// Null, or why the case failed.
const outcome = async (name, device) => {
  deviceErrors = [];
  const stopped = new Promise((resolve) => (fail = resolve));
  const ended = module.run(name, device).then(() => null, String);
  const failure = await Promise.race([ended, stopped]);
  fail = () => {};
  if (failure !== null) {
    for (const device of gpuDevices) device.destroy();
    gpuDevices = [];
    await load();
    return [failure, ...deviceErrors].join("\n");
  }
  await Promise.all(gpuDevices.map((device) => device.queue.onSubmittedWorkDone()));
  return deviceErrors.length ? deviceErrors.join("\n") : null;
};

const run = async () => {
  if (!(await navigator.gpu?.requestAdapter())) {
    throw new Error("this browser has no WebGPU adapter");
  }
  await load();
  const cases = DEVICES.flatMap((device) => module.names().map((name) => [name, device]));
  const title = ([name, device]) => `${name}::browser::${device}`;
  await post({ kind: "names", names: cases.map(title) });
  for (const test of cases) {
    await post({ kind: "result", name: title(test), failure: await outcome(...test) });
  }
  await post({ kind: "done" });
};

run().catch((error) => post({ kind: "error", message: String(error) }));
