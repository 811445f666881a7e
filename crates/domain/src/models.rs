//! Which embedder recognises, and how a swap to another stands. Written by the swap, shown by health, the local API and
//! the command line.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::limits;

/// What embedders run on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Provider {
    /// ONNX Runtime's own kernels.
    #[default]
    Cpu,
    /// Intel's OpenVINO, on one of its devices: `CPU`, `GPU`, `GPU.1`, `NPU`, `AUTO`.
    OpenVino { device: String },
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

impl FromStr for Provider {
    type Err = String;

    /// Empty, or `openvino:DEVICE`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Cpu);
        }
        let device = text.strip_prefix("openvino:").filter(|device| {
            !device.is_empty() && device.chars().all(|c| c.is_ascii_alphanumeric() || ".:,".contains(c))
        });
        device.map(|device| Self::OpenVino { device: device.to_ascii_uppercase() }).ok_or_else(|| {
            format!("`{text}` is no accelerator; there are openvino:CPU, openvino:GPU, openvino:NPU, or \"\" for none")
        })
    }
}

/// Where a swap stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapState {
    /// The new model proves itself.
    #[default]
    Checking,
    /// Everyone's photos are embedded with it; the old model recognises.
    Embedding,
    /// Waiting for the enrolment that is going on, then changing over.
    Switching,
    /// The new model recognises.
    Done,
    /// The old model goes on; `reason` says why.
    Refused,
    /// The old model goes on, since somebody wanted that.
    Cancelled,
}

impl SwapState {
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Refused | Self::Cancelled)
    }
}

/// The swap that is going on, or the last one since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SwapFacts {
    pub state: SwapState,
    /// Model ids: `name@first-digits-of-its-sha256`. The same twice: the present model's missing features are made up
    /// for.
    pub from: String,
    pub to: String,
    /// People looked at, of how many.
    pub people_done: u64,
    pub people: u64,
    /// Photos embedded.
    pub embedded: u64,
    /// People whose photo the new model cannot embed. They are kept, and not recognised while it is in force.
    pub not_embedded: u64,
    /// The first of them.
    pub not_embedded_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Somebody wants it to end.
    #[serde(skip)]
    pub is_unwanted: bool,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<SwapFacts>,
}

impl ModelFacts {
    pub fn is_swapping(&self) -> bool {
        self.swap.as_ref().is_some_and(|swap| !swap.state.is_over())
    }
}

impl ModelFacts {
    /// Notes what the embedder runs on besides the CPU: a name, and why it does not if it does not.
    pub fn note_accelerator(&mut self, accelerator: Option<(&str, Option<&str>)>) {
        self.accelerator = accelerator.map(|(name, _)| name.to_owned());
        self.accelerator_fault = accelerator.and_then(|(_, fault)| fault.map(str::to_owned));
    }
}

/// Shared by those who write and those who show.
#[derive(Debug, Default)]
pub struct ModelStatus(Mutex<ModelFacts>);

impl ModelStatus {
    pub fn change<T>(&self, change: impl FnOnce(&mut ModelFacts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn facts(&self) -> ModelFacts {
        self.change(|facts| facts.clone())
    }

    /// Starts a swap, unless one is going on.
    pub fn begin(&self, from: &str, to: &str) -> bool {
        self.change(|facts| {
            if facts.is_swapping() {
                return false;
            }
            facts.swap = Some(SwapFacts { from: from.to_owned(), to: to.to_owned(), ..SwapFacts::default() });
            true
        })
    }

    /// Asks the swap that is going on to end; whether there is one. Missing features of the model in force are made up for in
    /// any case.
    pub fn cancel(&self) -> bool {
        self.change(|facts| match &mut facts.swap {
            Some(swap) if !swap.state.is_over() && swap.from != swap.to => {
                swap.is_unwanted = true;
                true
            }
            _ => false,
        })
    }

    pub fn is_cancelled(&self) -> bool {
        self.change(|facts| facts.swap.as_ref().is_some_and(|swap| swap.is_unwanted))
    }

    pub fn swap(&self, change: impl FnOnce(&mut SwapFacts)) {
        self.change(|facts| {
            if let Some(swap) = &mut facts.swap {
                change(swap);
            }
        });
    }

    pub fn not_embedded(&self, ids: &[String]) {
        self.swap(|swap| {
            swap.not_embedded = ids.len() as u64;
            swap.not_embedded_ids = ids.iter().take(limits::NOT_EMBEDDED_LISTED).cloned().collect();
        });
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
            assert!(wrong.parse::<Provider>().unwrap_err().contains("openvino:CPU"), "{wrong}");
        }
    }

    #[test]
    fn one_swap_at_a_time_and_the_last_one_is_remembered() {
        let board = ModelStatus::default();
        assert!(board.begin("a@1", "b@2") && !board.begin("a@1", "c@3"));
        board.swap(|swap| swap.state = SwapState::Refused);
        assert_eq!(board.facts().swap.unwrap().to, "b@2");
        assert!(board.begin("a@1", "c@3"));
    }

    #[test]
    fn only_a_swap_that_goes_on_is_cancelled() {
        let board = ModelStatus::default();
        assert!(!board.cancel());
        board.begin("a@1", "b@2");
        assert!(!board.is_cancelled() && board.cancel() && board.is_cancelled());
        board.swap(|swap| swap.state = SwapState::Cancelled);
        assert!(!board.cancel());
        assert!(board.begin("a@1", "a@1") && !board.is_cancelled() && !board.cancel());
    }
}
