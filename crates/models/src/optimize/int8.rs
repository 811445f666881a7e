//! An embedder in 8-bit integers, for accelerators that calculate with them several times as fast.
//!
//! The inputs of every convolution and fully connected layer are rounded to 256 steps between the least and the most they
//! were seen to be on real faces, their weights to 255 steps an output channel (`QuantizeLinear` and `DequantizeLinear`
//! around each, as ONNX has it). What lies between two layers (PReLU) stays as it is: `OpenVINO` does it while it writes the
//! layer's output. ONNX Runtime's own kernels do not, so this form is of no use to them.
//!
//! What is kept is `models/<name>/int8.toml`, the ranges and what they cost in recognition; the file itself is made from
//! it and the original at each start (some tenths of a second), so it always is what the ranges say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::onnx::{Attribute, Graph, Model, Node, TensorData, ValueInfo};
use super::rewrite::{fold, weight};
use super::{OptimizeError, read, rename, write};
use crate::catalogue::ModelSpec;
use crate::inference::{Inference, InferenceError, InferenceLoader, Placement, Tensor};

/// Least and most of each value that is kept in 8 bits, by its name in the graph.
pub type Ranges = BTreeMap<String, [f32; 2]>;

/// Name of a model's [`Calibration`], in its folder.
pub const CALIBRATION_FILE: &str = "int8.toml";

/// First operator set in which a channel of a weight may have a scale of its own.
const OPSET_PER_CHANNEL: i64 = 13;
/// From here on nothing in [`UNCHANGED`] changed its meaning up to [`OPSET_PER_CHANNEL`].
const OPSET_MIN: i64 = 11;
/// Operators that mean the same in both sets.
const UNCHANGED: [&str; 14] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Concat",
    "Conv",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "Identity",
    "MaxPool",
    "Mul",
    "PRelu",
    "Relu",
    "Sub",
];
/// Of each value's elements on one face this share is left out at both ends: a few far ones would make the steps of all others
/// coarser (on SFace the least cosine to the original over 3811 faces was 0.987 with this, 0.967 without).
const TAIL: f64 = 1e-4;
/// Steps of an input and of a weight.
const INPUT_STEPS: f32 = 255.0;
const WEIGHT_STEPS: f32 = 127.0;

/// Recognition rates over all pairs of a set of photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Share of genuine pairs above the mark at which one of a thousand impostor pairs is.
    pub true_match_rate: f64,
    /// That mark, a cosine similarity.
    pub mark: f32,
}

/// What 8-bit integers cost, measured on photos that the ranges were not measured on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    pub genuine_pairs: usize,
    pub impostor_pairs: usize,
    /// Between a face's feature in 8-bit integers and its feature as it was.
    pub cosine_least: f64,
    pub cosine_mean: f64,
    pub original: Rates,
    pub int8: Rates,
    /// One photo of each pair as it was, the other in 8-bit integers: what a registry of the time before meets.
    pub mixed: Rates,
}

impl Loss {
    /// True match rate that may be lost: what is gained by looking closer and centring (README, Accuracy) is twice that.
    pub const RATE_MAX: f64 = 0.002;
    /// How far the mark may move: the pass mark stays as it is calibrated.
    pub const MARK_MAX: f32 = 0.01;
    /// One pair must weigh no more than half of [`Loss::RATE_MAX`].
    pub const GENUINE_MIN: usize = 1000;
    /// Ten pairs above the mark.
    pub const IMPOSTOR_MIN: usize = 10_000;

    /// Why it is too much, or cannot be told; `None`: acceptable.
    pub fn objection(&self) -> Option<String> {
        let Self { genuine_pairs, impostor_pairs, original, .. } = self;
        if *genuine_pairs < Self::GENUINE_MIN || *impostor_pairs < Self::IMPOSTOR_MIN {
            return Some(format!(
                "{genuine_pairs} pairs of photos of one person and {impostor_pairs} of two are too few to tell a loss; at \
                 least {} and {} are needed (a folder for each person, several photos in many of them)",
                Self::GENUINE_MIN,
                Self::IMPOSTOR_MIN
            ));
        }
        [("in 8-bit integers", self.int8), ("mixed with features as they were", self.mixed)].into_iter().find_map(
            |(what, found)| {
                let lost = original.true_match_rate - found.true_match_rate;
                let moved = (original.mark - found.mark).abs();
                let is_fine = lost <= Self::RATE_MAX && moved <= Self::MARK_MAX;
                (!is_fine).then(|| {
                    format!(
                        "{what}, {:.2} points of the true match rate are lost and the mark moves by {moved:.3}; at most {:.2} \
                         and {} are accepted",
                        lost * 100.0,
                        Self::RATE_MAX * 100.0,
                        Self::MARK_MAX
                    )
                })
            },
        )
    }
}

/// `models/<name>/int8.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Of the file whose values these are.
    pub original_sha256: String,
    /// Faces the ranges were measured on.
    pub faces: usize,
    pub loss: Loss,
    pub ranges: Ranges,
}

impl Calibration {
    fn path(model: &ModelSpec) -> PathBuf {
        model.folder.join(CALIBRATION_FILE)
    }

    /// That of a model; an error when there is none, or it is another file's, or its loss is not acceptable.
    pub fn read(model: &ModelSpec) -> Result<Self, OptimizeError> {
        let path = Self::path(model);
        let wrong = |reason: String| OptimizeError::Calibration { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
        let found: Self = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        if found.original_sha256 != model.sha256 {
            return Err(wrong("it was measured on another file".to_owned()));
        }
        found.loss.objection().map_or(Ok(found), |objection| Err(wrong(objection)))
    }

    /// Puts it beside the model; where.
    pub fn write(&self, model: &ModelSpec) -> Result<PathBuf, OptimizeError> {
        let target = Self::path(model);
        let text = toml::to_string(self)
            .map_err(|error| OptimizeError::Write { path: target.clone(), reason: error.to_string() })?;
        let head = "# What the layers' inputs were seen to be, and what 8-bit integers cost (menshen models prepare --int8).\n";
        let part = target.with_extension(format!("toml.{}.part", std::process::id()));
        write(&part, (head.to_owned() + &text).as_bytes())?;
        rename(&part, &target)?;
        Ok(target)
    }
}

/// Measures ranges, one face after the other.
pub struct Calibrator {
    names: Vec<String>,
    inference: Box<dyn Inference>,
    ranges: Ranges,
    faces: usize,
}

impl Calibrator {
    /// Makes a form of the model that tells its layers' inputs too, and loads it.
    pub fn new(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<Self, OptimizeError> {
        let mut graph = folded(model)?;
        let names = graph.graph.as_ref().map(layer_inputs).unwrap_or_default();
        if names.is_empty() {
            let reason = "it has no convolution or fully connected layer".to_owned();
            return Err(OptimizeError::Rewrite { path: model.path(), reason });
        }
        if let Some(graph) = graph.graph.as_mut() {
            graph.output.extend(names.iter().cloned().map(ValueInfo::floats));
        }
        let path = model.path().with_extension(format!("{}.part", std::process::id()));
        write(&path, &graph.encode_to_vec())?;
        let loaded = loader.load(&path, &model.input.name, &names, Placement::Cpu);
        // Nothing to be done about a file that cannot be removed; it is never used.
        let _ = std::fs::remove_file(&path);
        Ok(Self { names, inference: loaded?, ranges: Ranges::new(), faces: 0 })
    }

    /// Looks at one face, as the model's input.
    pub fn look(&mut self, face: &Tensor) -> Result<(), InferenceError> {
        for (name, mut values) in self.names.iter().zip(self.inference.run(face)?) {
            let [least, most] = spread(&mut values.data);
            let range = self.ranges.entry(name.clone()).or_insert([0.0, 0.0]);
            *range = [range[0].min(least), range[1].max(most)];
        }
        self.faces += 1;
        Ok(())
    }

    /// What was found, and on how many faces.
    pub fn finish(self) -> (Ranges, usize) {
        (self.ranges, self.faces)
    }
}

/// Least and most, without the tails.
fn spread(values: &mut [f32]) -> [f32; 2] {
    let Some(last) = values.len().checked_sub(1) else { return [0.0, 0.0] };
    let tail = (values.len() as f64 * TAIL) as usize;
    let least = *values.select_nth_unstable_by(tail.min(last), f32::total_cmp).1;
    let most = *values.select_nth_unstable_by(last - tail.min(last), f32::total_cmp).1;
    [least, most]
}

/// Makes the file; where it is.
pub fn write_int8(model: &ModelSpec, ranges: &Ranges) -> Result<PathBuf, OptimizeError> {
    let mut graph = folded(model)?;
    quantise(&mut graph, ranges).map_err(|reason| OptimizeError::Rewrite { path: model.path(), reason })?;
    let target = model.path().with_extension("int8.onnx");
    let part = target.with_extension(format!("{}.part", std::process::id()));
    write(&part, &graph.encode_to_vec())?;
    rename(&part, &target)?;
    Ok(target)
}

fn folded(model: &ModelSpec) -> Result<Model, OptimizeError> {
    let mut graph = read(model)?;
    fold(&mut graph).map_err(|reason| OptimizeError::Rewrite { path: model.path(), reason })?;
    if let Some(graph) = graph.graph.as_mut() {
        drop_dropouts(graph);
    }
    Ok(graph)
}

/// They do nothing but in training, and take their ratio in another place in later operator sets.
fn drop_dropouts(graph: &mut Graph) {
    while let Some(at) = graph.node.iter().position(|node| node.op_type == "Dropout") {
        let node = graph.node.remove(at);
        let (Some(input), Some(output)) = (node.input.first(), node.output.first()) else { continue };
        for name in graph.node.iter_mut().flat_map(|node| &mut node.input) {
            if name == output {
                name.clone_from(input);
            }
        }
    }
}

/// Whether a node is a layer whose input and weights can be rounded.
fn is_layer(graph: &Graph, node: &Node) -> bool {
    let is_kind = match node.op_type.as_str() {
        "Conv" => true,
        "Gemm" => node.int("transA", 0) == 0 && node.int("transB", 0) == 1,
        _ => false,
    };
    is_kind && node.input.get(1).and_then(|name| weight(graph, name)).is_some_and(|w| w.to_floats().is_some())
}

fn layer_inputs(graph: &Graph) -> Vec<String> {
    let mut names: Vec<String> = graph
        .node
        .iter()
        .filter(|node| is_layer(graph, node))
        .filter_map(|node| node.input.first().cloned())
        // An input of the graph cannot be an output too, and pixels need no measuring.
        .filter(|name| graph.input.iter().all(|input| input.name != *name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Rounds every layer whose input's range is known; an error when that would change what the graph means.
fn quantise(model: &mut Model, ranges: &Ranges) -> Result<usize, String> {
    raise_opset(model)?;
    let graph = model.graph.as_mut().ok_or("the file holds no graph")?;
    let mut done = 0;
    let mut nodes = Vec::with_capacity(graph.node.len() * 2);
    let mut rounded: BTreeMap<String, String> = BTreeMap::new();
    for mut node in std::mem::take(&mut graph.node) {
        if let Some(range) = node.input.first().and_then(|name| ranges.get(name))
            && is_layer(graph, &node)
        {
            let input = node.input[0].clone();
            node.input[0] = if let Some(name) = rounded.get(&input) {
                name.clone()
            } else {
                let name = round_input(graph, &mut nodes, &input, *range);
                rounded.insert(input, name.clone());
                name
            };
            node.input[1] = round_weight(graph, &mut nodes, &node.input[1])?;
            done += 1;
        }
        nodes.push(node);
    }
    graph.node = nodes;
    // Weights that were rounded are not read any more.
    let read: std::collections::HashSet<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
    graph.initializer.retain(|weight| read.contains(&weight.name));
    if done < ranges.len() {
        return Err(format!("{} ranges are known, {done} layers have such an input", ranges.len()));
    }
    Ok(done)
}

fn raise_opset(model: &mut Model) -> Result<(), String> {
    let graph = model.graph.as_mut().ok_or("the file holds no graph")?;
    let is_default = |domain: Option<&String>| domain.is_none_or(String::is_empty);
    let set = model
        .opset_import
        .iter_mut()
        .find(|set| is_default(set.domain.as_ref()))
        .ok_or("the file names no operator set")?;
    let version = set.version.unwrap_or(1);
    if version >= OPSET_PER_CHANNEL {
        return Ok(());
    }
    let changed = graph.node.iter().find(|node| !UNCHANGED.contains(&node.op_type.as_str()));
    if let Some(node) = changed {
        return Err(format!(
            "operator {} may mean something else in operator set {OPSET_PER_CHANNEL}",
            node.op_type
        ));
    }
    if version < OPSET_MIN {
        return Err(format!("its operator set is {version}, at least {OPSET_MIN} is needed"));
    }
    for norm in graph.node.iter_mut().filter(|node| node.op_type == "BatchNormalization") {
        // Of operator sets before 9, and what all do since.
        norm.attribute.retain(|attribute| attribute.name != "spatial");
    }
    set.version = Some(OPSET_PER_CHANNEL);
    Ok(())
}

/// Puts the nodes that round a value before its reader; the rounded value's name.
fn round_input(graph: &mut Graph, nodes: &mut Vec<Node>, input: &str, [least, most]: [f32; 2]) -> String {
    let (least, most) = (least.min(0.0), most.max(0.0));
    let scale = if most > least { (most - least) / INPUT_STEPS } else { 1.0 };
    let zero = (-least / scale).round().clamp(0.0, INPUT_STEPS) as u8;
    let [scale_name, zero_name, narrow, rounded] =
        ["scale", "zero", "narrow", "rounded"].map(|part| format!("{input}__{part}"));
    graph.initializer.push(TensorData::floats(scale_name.clone(), Vec::new(), &[scale]));
    graph.initializer.push(TensorData::bytes(zero_name.clone(), Vec::new(), vec![zero]));
    nodes.push(Node::new("QuantizeLinear", &[input, &scale_name, &zero_name], &narrow, Vec::new()));
    nodes.push(Node::new("DequantizeLinear", &[&narrow, &scale_name, &zero_name], &rounded, Vec::new()));
    rounded
}

/// Rounds a weight, each output channel (its first dimension) by its own scale; the rounded weight's name.
fn round_weight(graph: &mut Graph, nodes: &mut Vec<Node>, name: &str) -> Result<String, String> {
    let layer = weight(graph, name).ok_or("a layer has no weights")?;
    let (dims, values) = (layer.dims.clone(), layer.to_floats().ok_or("a layer's weights are not f32")?);
    let channels = dims.first().and_then(|n| usize::try_from(*n).ok()).filter(|n| *n > 0);
    let channels = channels.ok_or_else(|| format!("weight {name} has no channels"))?;
    let (mut scales, mut narrow) = (Vec::with_capacity(channels), Vec::with_capacity(values.len()));
    for channel in values.chunks(values.len().div_ceil(channels).max(1)) {
        let largest = channel.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scale = if largest > 0.0 { largest / WEIGHT_STEPS } else { 1.0 };
        scales.push(scale);
        narrow.extend(channel.iter().map(|value| (value / scale).round() as i8));
    }
    let [scale_name, zero_name, narrow_name, rounded] =
        ["scale", "zero", "narrow", "rounded"].map(|part| format!("{name}__{part}"));
    // A weight that two layers share is rounded once.
    if graph.initializer.iter().all(|weight| weight.name != narrow_name) {
        let count = vec![channels as i64];
        graph.initializer.push(TensorData::integers(narrow_name.clone(), dims, &narrow));
        graph.initializer.push(TensorData::floats(scale_name.clone(), count.clone(), &scales));
        graph.initializer.push(TensorData::integers(zero_name.clone(), count, &vec![0; channels]));
        let axis = vec![Attribute::int("axis", 0)];
        nodes.push(Node::new("DequantizeLinear", &[&narrow_name, &scale_name, &zero_name], &rounded, axis));
    }
    Ok(rounded)
}

#[cfg(test)]
#[path = "int8_tests.rs"]
mod tests;
