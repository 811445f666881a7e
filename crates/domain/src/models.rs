//! Which embedder recognises, what it runs on, and how a swap to another is doing: the facts, and what may follow on what.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::limits;

/// What embedders run on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Provider {
    /// ONNX Runtime's own kernels.
    #[default]
    Cpu,
    /// Intel's OpenVINO, on one of its devices: `CPU`, `GPU`, `GPU.1`, `NPU`, `AUTO`.
    OpenVino {
        /// As OpenVINO names it, in capitals.
        device: String,
    },
}

impl fmt::Display for Provider {
    /// As it is written in the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => Ok(()),
            Self::OpenVino { device } => write!(f, "openvino:{device}"),
        }
    }
}

/// A text that names no accelerator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no accelerator; there are openvino:CPU, openvino:GPU, openvino:NPU, or \"\" for none")]
pub struct ProviderError(String);

impl FromStr for Provider {
    type Err = ProviderError;

    /// Empty, or `openvino:DEVICE`.
    fn from_str(text: &str) -> Result<Self, ProviderError> {
        if text.is_empty() {
            return Ok(Self::Cpu);
        }
        let device = text.strip_prefix("openvino:").filter(|device| {
            !device.is_empty() && device.chars().all(|c| c.is_ascii_alphanumeric() || ".:,".contains(c))
        });
        device
            .map(|device| Self::OpenVino { device: device.to_ascii_uppercase() })
            .ok_or_else(|| ProviderError(text.to_owned()))
    }
}

/// The state of a swap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapState {
    /// The new model proves itself.
    #[default]
    Checking,
    /// Everyone's photos are embedded with it; the old model recognises.
    Embedding,
    /// Waiting for the running enrolment, then changing over.
    Switching,
    /// The new model recognises.
    Done,
    /// The old model stays; `reason` says why.
    Refused,
    /// The old model stays: the swap was cancelled.
    Cancelled,
}

impl SwapState {
    /// Whether it has ended.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Cancelled)
    }
}

/// The swap that is going on, or the last one since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SwapFacts {
    /// Where it is.
    pub state: SwapState,
    /// Model ids: `name@first-digits-of-its-sha256`. The same twice: the present model's missing features are
    /// computed.
    pub from: String,
    /// Id of the new model.
    pub to: String,
    /// People processed, of `people`.
    pub people_done: u64,
    /// People in the registry.
    pub people: u64,
    /// Photos embedded.
    pub embedded: u64,
    /// People whose photo the new model cannot embed. They are kept, and not recognised while it is active.
    pub not_embedded: u64,
    /// The first of them.
    pub not_embedded_ids: Vec<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// An operator asked it to end.
    #[serde(skip)]
    pub is_cancelled: bool,
}

/// How many bits the embedder calculates with on an accelerator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// As many as the accelerator likes.
    #[default]
    Full,
    /// 8-bit integers, by the ranges that were measured for the model (`models/<name>/int8.toml`).
    Int8,
}

/// Facts about the recognising model, for health and the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModelFacts {
    /// Id of the embedder that recognises.
    pub embedder: String,
    /// Name of the one `models use --back` goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The chosen model is broken and another recognises: which, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The configured accelerator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
    /// The configured accelerator is of no use, and the CPU does its work: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerator_fault: Option<String>,
    /// Descriptions in `models_dir` that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// The running swap, or the last one since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<SwapFacts>,
}

impl ModelFacts {
    /// Whether a swap is running.
    pub fn is_swapping(&self) -> bool {
        self.swap.as_ref().is_some_and(|swap| !swap.state.is_over())
    }

    /// Starts a swap, unless one is running; whether it did.
    pub fn begin_swap(&mut self, from: &str, to: &str) -> bool {
        if self.is_swapping() {
            return false;
        }
        self.swap = Some(SwapFacts { from: from.to_owned(), to: to.to_owned(), ..SwapFacts::default() });
        true
    }

    /// Asks the running swap to end; whether there is one. Missing features of the active model are computed in any case.
    pub fn cancel_swap(&mut self) -> bool {
        match &mut self.swap {
            Some(swap) if !swap.state.is_over() && swap.from != swap.to => {
                swap.is_cancelled = true;
                true
            }
            _ => false,
        }
    }

    /// Whether the last swap was asked to end.
    pub fn is_swap_cancelled(&self) -> bool {
        self.swap.as_ref().is_some_and(|swap| swap.is_cancelled)
    }

    /// Notes the people whose photos the new model cannot embed.
    pub fn note_not_embedded(&mut self, ids: &[String]) {
        if let Some(swap) = &mut self.swap {
            swap.not_embedded = ids.len() as u64;
            swap.not_embedded_ids = ids.iter().take(limits::NOT_EMBEDDED_LISTED).cloned().collect();
        }
    }

    /// Notes what the embedder runs on besides the CPU: a name, and why it does not if it does not.
    pub fn note_accelerator(&mut self, accelerator: Option<(&str, Option<&str>)>) {
        self.accelerator = accelerator.map(|(name, _)| name.to_owned());
        self.accelerator_fault = accelerator.and_then(|(_, fault)| fault.map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accelerators_by_name() {
        let on = |device: &str| Ok(Provider::OpenVino { device: device.to_owned() });
        assert_eq!("".parse(), Ok(Provider::Cpu));
        assert_eq!("openvino:cpu".parse(), on("CPU"));
        assert_eq!("openvino:GPU.1".parse(), on("GPU.1"));
        for wrong in ["openvino", "openvino:", "cuda", "openvino:GPU 1"] {
            assert!(wrong.parse::<Provider>().unwrap_err().to_string().contains("openvino:CPU"), "{wrong}");
        }
    }

    #[test]
    fn one_swap_at_a_time_and_the_last_one_is_remembered() {
        let mut facts = ModelFacts::default();
        assert!(facts.begin_swap("a@1", "b@2") && !facts.begin_swap("a@1", "c@3"));
        facts.swap.as_mut().unwrap().state = SwapState::Refused;
        assert_eq!(facts.swap.as_ref().unwrap().to, "b@2");
        assert!(facts.begin_swap("a@1", "c@3"));
    }

    #[test]
    fn only_a_running_swap_is_cancelled() {
        let mut facts = ModelFacts::default();
        assert!(!facts.cancel_swap());
        facts.begin_swap("a@1", "b@2");
        assert!(!facts.is_swap_cancelled() && facts.cancel_swap() && facts.is_swap_cancelled());
        facts.swap.as_mut().unwrap().state = SwapState::Cancelled;
        assert!(!facts.cancel_swap());
        assert!(facts.begin_swap("a@1", "a@1") && !facts.is_swap_cancelled() && !facts.cancel_swap());
    }
}
