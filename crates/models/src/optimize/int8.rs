//! An embedder in 8-bit integers, for accelerators that calculate with them several times as fast.
//!
//! The inputs of every convolution and fully connected layer are rounded to 256 steps between the least and the most they
//! were seen to be on real faces, their weights to 255 steps an output channel (`QuantizeLinear` and `DequantizeLinear`
//! around each, as ONNX has it). What lies between two layers (PReLU) stays as it is: `OpenVINO` does it while it writes the
//! layer's output. ONNX Runtime's own kernels do not, so this form is of no use to them.
//!
//! What is kept is `models/<name>/int8.toml`, the ranges and what they cost in recognition; the file itself is made from
//! it and the original at each start (some tenths of a second), so it always is what the ranges say.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::file::{CalibrationError, OptimizeError, RewriteError, part_of, read, rename, write};
use super::int8_loss::Loss;
use super::onnx::{Attribute, Graph, Model, Node, TensorData, ValueInfo};
use super::rewrite::fold;
use crate::description::ModelSpec;
use menshen_domain::not_toml::NotToml;
use menshen_domain::typed;
use menshen_vision::inference::{Inference, InferenceError, InferenceLoader, Placement, Tensor};

/// Least and greatest of each value that is kept in 8 bits, by its name in the graph.
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

/// `models/<name>/int8.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Checksum of the file whose values these are, hex.
    pub original_sha256: String,
    /// Faces the ranges were measured on.
    pub faces: usize,
    /// What 8-bit integers cost.
    pub loss: Loss,
    /// The range of every value that is kept in 8 bits.
    pub ranges: Ranges,
}

impl Calibration {
    fn path(model: &ModelSpec) -> PathBuf {
        model.folder.join(CALIBRATION_FILE)
    }

    /// That of a model.
    ///
    /// # Errors
    /// When there is none, it is another file's, or its loss is not acceptable.
    pub fn read(model: &ModelSpec) -> Result<Self, OptimizeError> {
        let path = Self::path(model);
        let read = || {
            let text = std::fs::read_to_string(&path).map_err(CalibrationError::Read)?;
            let table = toml::from_str::<toml::Table>(&text).map_err(|error| {
                let at = error.span().map_or(0, |span| span.start);
                CalibrationError::Toml(NotToml::new(&text, at, error.message()))
            })?;
            let found: Self = typed::read(&serde_json::to_value(table).unwrap_or_default())
                .map_err(CalibrationError::Type)?;
            if found.original_sha256 != model.sha256 {
                return Err(CalibrationError::OtherFile);
            }
            found.loss.objection().map_or(Ok(found), |objection| Err(CalibrationError::Loss(objection)))
        };
        read().map_err(|reason| OptimizeError::Calibration { path: path.clone(), reason })
    }

    /// Puts it beside the model; where.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, model: &ModelSpec) -> Result<PathBuf, OptimizeError> {
        let target = Self::path(model);
        let text =
            toml::to_string(self).map_err(|reason| OptimizeError::Encode { path: target.clone(), reason })?;
        let head = "# Ranges of the layers' inputs, and what 8-bit integers cost (menshen models optimize --int8).\n";
        let part = part_of(&target, "toml.");
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
    /// Makes a form of the model whose outputs are its layers' inputs, and loads it.
    ///
    /// # Errors
    /// When the original is of no use or has no layer to round, or the form cannot be written or loaded.
    pub fn new(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<Self, OptimizeError> {
        let mut graph = folded(model)?;
        let names = graph.graph.as_ref().map(layer_inputs).unwrap_or_default();
        if names.is_empty() {
            return Err(OptimizeError::Rewrite { path: model.path(), reason: RewriteError::NoLayer });
        }
        if let Some(graph) = graph.graph.as_mut() {
            graph.output.extend(names.iter().cloned().map(ValueInfo::floats));
        }
        let path = part_of(&model.path(), "");
        write(&path, &graph.encode_to_vec())?;
        let loaded = loader.load(&path, &model.input.name, &names, Placement::Cpu);
        // Nothing to be done about a file that cannot be removed; it is never used.
        let _ = std::fs::remove_file(&path);
        Ok(Self { names, inference: loaded?, ranges: Ranges::new(), faces: 0 })
    }

    /// Widens the ranges by those of one face, given as the model's input.
    ///
    /// # Errors
    /// When the model does not run.
    pub fn add(&mut self, face: &Tensor) -> Result<(), InferenceError> {
        for (name, mut values) in self.names.iter().zip(self.inference.run(face)?) {
            let [least, most] = spread(&mut values.data);
            let range = self.ranges.entry(name.clone()).or_insert([0.0, 0.0]);
            *range = [range[0].min(least), range[1].max(most)];
        }
        self.faces += 1;
        Ok(())
    }

    /// The ranges, and on how many faces they were measured.
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

/// Makes the form in 8-bit integers and writes it beside the original; where.
///
/// # Errors
/// When the original is of no use, the ranges do not fit it, or the file cannot be written.
pub fn write_int8(model: &ModelSpec, ranges: &Ranges) -> Result<PathBuf, OptimizeError> {
    let mut graph = folded(model)?;
    quantise(&mut graph, ranges).map_err(|reason| OptimizeError::Rewrite { path: model.path(), reason })?;
    let target = model.path().with_extension("int8.onnx");
    let part = part_of(&target, "");
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
    is_kind && node.input.get(1).and_then(|name| graph.weight(name)).is_some_and(|w| w.to_floats().is_some())
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
fn quantise(model: &mut Model, ranges: &Ranges) -> Result<usize, RewriteError> {
    raise_opset(model)?;
    let graph = model.graph.as_mut().ok_or(RewriteError::NoGraph)?;
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
    let read: HashSet<&String> = graph.node.iter().flat_map(|node| &node.input).collect();
    graph.initializer.retain(|weight| read.contains(&weight.name));
    if done < ranges.len() {
        return Err(RewriteError::Ranges { ranges: ranges.len(), layers: done });
    }
    Ok(done)
}

fn raise_opset(model: &mut Model) -> Result<(), RewriteError> {
    let graph = model.graph.as_mut().ok_or(RewriteError::NoGraph)?;
    let is_default = |domain: Option<&String>| domain.is_none_or(String::is_empty);
    let set = model
        .opset_import
        .iter_mut()
        .find(|set| is_default(set.domain.as_ref()))
        .ok_or(RewriteError::NoOperatorSet)?;
    let version = set.version.unwrap_or(1);
    if version >= OPSET_PER_CHANNEL {
        return Ok(());
    }
    let changed = graph.node.iter().find(|node| !UNCHANGED.contains(&node.op_type.as_str()));
    if let Some(node) = changed {
        return Err(RewriteError::Operator { operator: node.op_type.clone(), set: OPSET_PER_CHANNEL });
    }
    if version < OPSET_MIN {
        return Err(RewriteError::OperatorSet { found: version, needed: OPSET_MIN });
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
    let [scale_name, zero_name, quantized, rounded] =
        ["scale", "zero", "quantized", "rounded"].map(|part| format!("{input}__{part}"));
    graph.initializer.push(TensorData::floats(scale_name.clone(), Vec::new(), &[scale]));
    graph.initializer.push(TensorData::bytes(zero_name.clone(), Vec::new(), vec![zero]));
    nodes.push(Node::new("QuantizeLinear", &[input, &scale_name, &zero_name], &quantized, Vec::new()));
    nodes.push(Node::new("DequantizeLinear", &[&quantized, &scale_name, &zero_name], &rounded, Vec::new()));
    rounded
}

/// Rounds a weight, each output channel (its first dimension) by its own scale; the rounded weight's name.
fn round_weight(graph: &mut Graph, nodes: &mut Vec<Node>, name: &str) -> Result<String, RewriteError> {
    let layer = graph.weight(name).ok_or(RewriteError::NoWeights)?;
    let (dims, values) = (layer.dims.clone(), layer.to_floats().ok_or(RewriteError::Weights)?);
    let channels = dims.first().and_then(|n| usize::try_from(*n).ok()).filter(|n| *n > 0);
    let channels = channels.ok_or_else(|| RewriteError::NoChannels(name.to_owned()))?;
    let (mut scales, mut bytes) = (Vec::with_capacity(channels), Vec::with_capacity(values.len()));
    for channel in values.chunks(values.len().div_ceil(channels).max(1)) {
        let largest = channel.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scale = if largest > 0.0 { largest / WEIGHT_STEPS } else { 1.0 };
        scales.push(scale);
        bytes.extend(channel.iter().map(|value| (value / scale).round() as i8));
    }
    let [scale_name, zero_name, bytes_name, rounded] =
        ["scale", "zero", "quantized", "rounded"].map(|part| format!("{name}__{part}"));
    // A weight that two layers share is rounded once.
    if graph.initializer.iter().all(|weight| weight.name != bytes_name) {
        let count = vec![channels as i64];
        graph.initializer.push(TensorData::integers(bytes_name.clone(), dims, &bytes));
        graph.initializer.push(TensorData::floats(scale_name.clone(), count.clone(), &scales));
        graph.initializer.push(TensorData::integers(zero_name.clone(), count, &vec![0; channels]));
        let axis = vec![Attribute::int("axis", 0)];
        nodes.push(Node::new("DequantizeLinear", &[&bytes_name, &scale_name, &zero_name], &rounded, axis));
    }
    Ok(rounded)
}

#[cfg(test)]
#[path = "int8_tests.rs"]
mod tests;
