//! The parts of a step, for who measures them: the trainer says when it has asked the device for one,
//! and leaves clocks and waiting to the listener.

use std::fmt;

/// A part of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Images become a tensor on the device.
    Upload,
    /// Images become embeddings.
    Forward,
    /// Tuples are mined and the loss is computed.
    Loss,
    /// Gradients of all parameters; computing activations again counts here.
    Backward,
    /// Parameters are updated.
    Optimizer,
}

impl Stage {
    /// All stages, in their order in a step.
    pub const ALL: [Self; 5] = [
        Self::Upload,
        Self::Forward,
        Self::Loss,
        Self::Backward,
        Self::Optimizer,
    ];

    /// Name in tables and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Forward => "forward",
            Self::Loss => "loss",
            Self::Backward => "backward",
            Self::Optimizer => "optimizer",
        }
    }
}

/// Who is told that a stage has been asked for; nobody by default.
#[derive(Default)]
pub(super) struct StageListener(pub Option<Box<dyn Fn(Stage)>>);

impl StageListener {
    pub fn ended(&self, stage: Stage) {
        if let Some(listener) = &self.0 {
            listener(stage);
        }
    }
}

impl fmt::Debug for StageListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listens = self.0.is_some();
        formatter
            .debug_tuple("StageListener")
            .field(&listens)
            .finish()
    }
}
