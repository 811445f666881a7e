//! Rewriting a graph into one that gives the same answers faster. Every rewrite looks for exactly the form it
//! understands and leaves everything else alone; whether the answers are the same is then measured.

use std::collections::{HashMap, HashSet};

use super::file::RewriteError;
use super::onnx::{Dimension, Graph, Model, Node, TensorData, ValueInfo};
use super::prelu::rewrite_prelus;
use super::quantize_dense::quantize_dense;
use crate::description::OptimizeSpec;

/// How often each rewrite was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrites {
    /// Weights that are no inputs any more.
    pub inputs_stripped: usize,
    /// Batch norms that became part of the layer before them.
    pub batch_norms_folded: usize,
    /// PReLUs that became convolutions.
    pub prelus_rewritten: usize,
    /// Fully connected layers with weights in 8 bits.
    pub layers_quantized: usize,
}

/// First IR version in which a weight need not be listed as an input.
const IR_WITHOUT_WEIGHT_INPUTS: i64 = 4;

/// Rewrites in place; an error says why the file cannot be optimised.
pub fn rewrite(model: &mut Model, spec: OptimizeSpec) -> Result<Rewrites, RewriteError> {
    let mut done = fold(model)?;
    if let Some(graph) = model.graph.as_mut() {
        done.prelus_rewritten = rewrite_prelus(graph);
        free_dimensions(graph, spec);
    }
    if spec.quantize_dense {
        done.layers_quantized = quantize_dense(model);
    }
    if let Some(graph) = model.graph.as_mut() {
        drop_unused_weights(graph);
    }
    Ok(done)
}

/// What every form of the model begins with: weights are constants, batch norms are part of what is before them.
pub(super) fn fold(model: &mut Model) -> Result<Rewrites, RewriteError> {
    model.ir_version = model.ir_version.max(IR_WITHOUT_WEIGHT_INPUTS);
    let graph = model.graph.as_mut().ok_or(RewriteError::NoGraph)?;
    let has_subgraphs = graph
        .node
        .iter()
        .flat_map(|node| &node.attribute)
        .any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty());
    if has_subgraphs {
        return Err(RewriteError::SubGraphs);
    }
    let done = Rewrites {
        inputs_stripped: strip_weight_inputs(graph),
        batch_norms_folded: fold_batch_norms(graph),
        ..Rewrites::default()
    };
    drop_unused_weights(graph);
    Ok(done)
}

/// A weight that is also an input could be overridden by a caller, so it is no constant to ONNX Runtime.
fn strip_weight_inputs(graph: &mut Graph) -> usize {
    let weights: HashSet<&str> = graph.initializer.iter().map(|weight| weight.name.as_str()).collect();
    let before = graph.input.len();
    graph.input.retain(|input| !weights.contains(input.name.as_str()));
    before - graph.input.len()
}

/// `γ (conv(x) − μ) / √(σ² + ε) + β` is a convolution with other weights.
fn fold_batch_norms(graph: &mut Graph) -> usize {
    let readers = graph.readers();
    let mut folded = 0;
    let mut at = 0;
    while at < graph.node.len() {
        match fold_one(graph, &readers, at) {
            Some((producer, replacement, weights)) => {
                graph.node[producer] = replacement;
                graph.initializer.extend(weights);
                graph.node.remove(at);
                folded += 1;
            }
            None => at += 1,
        }
    }
    folded
}

/// The producer's place, what replaces it, and the new weights.
fn fold_one(
    graph: &Graph,
    readers: &HashMap<String, usize>,
    at: usize,
) -> Option<(usize, Node, Vec<TensorData>)> {
    let norm = &graph.node[at];
    if norm.op_type != "BatchNormalization"
        || norm.int("training_mode", 0) != 0
        || norm.int("spatial", 1) != 1
    {
        return None;
    }
    let [source, gamma, beta, mean, variance] = norm.input.as_slice() else { return None };
    if readers.get(source) != Some(&1) {
        return None;
    }
    let producer = graph.node.iter().position(|node| node.output.first() == Some(source))?;
    let node = &graph.node[producer];
    let foldable = match node.op_type.as_str() {
        "Conv" => true,
        "Gemm" => {
            node.int("transA", 0) == 0
                && node.int("transB", 0) == 1
                && node.float("alpha", 1.0).to_bits() == 1f32.to_bits()
                && node.float("beta", 1.0).to_bits() == 1f32.to_bits()
        }
        _ => false,
    };
    if !foldable {
        return None;
    }
    let floats = |name: &String| graph.weight(name)?.to_floats();
    let old = graph.weight(node.input.get(1)?)?;
    let mut values = old.to_floats()?;
    // In both, the first dimension is that of the output channels.
    let channels = usize::try_from(*old.dims.first()?).ok()?;
    let mut bias = match node.input.get(2).filter(|name| !name.is_empty()) {
        Some(name) => floats(name)?,
        None => vec![0.0; channels],
    };
    let (gamma, beta, mean, variance) = (floats(gamma)?, floats(beta)?, floats(mean)?, floats(variance)?);
    if channels == 0 || [&bias, &gamma, &beta, &mean, &variance].iter().any(|v| v.len() != channels) {
        return None;
    }
    let epsilon = f64::from(norm.float("epsilon", 1e-5));
    let row = values.len() / channels;
    for channel in 0..channels {
        let scale = f64::from(gamma[channel]) / (f64::from(variance[channel]) + epsilon).sqrt();
        for value in &mut values[channel * row..][..row] {
            *value = (f64::from(*value) * scale) as f32;
        }
        let shifted = f64::from(bias[channel]) - f64::from(mean[channel]);
        bias[channel] = (shifted * scale + f64::from(beta[channel])) as f32;
    }
    let output = norm.output.first()?;
    let (weight_name, bias_name) = (format!("{output}__weight"), format!("{output}__bias"));
    let mut replacement = node.clone();
    replacement.input = vec![node.input[0].clone(), weight_name.clone(), bias_name.clone()];
    replacement.output = vec![output.clone()];
    let weights = vec![
        TensorData::floats(weight_name, old.dims.clone(), &values),
        TensorData::floats(bias_name, vec![channels as i64], &bias),
    ];
    Some((producer, replacement, weights))
}

fn drop_unused_weights(graph: &mut Graph) {
    let readers = graph.readers();
    graph.initializer.retain(|weight| readers.contains_key(&weight.name));
}

/// Gives the dimensions names instead of numbers where the description says that the graph does not depend on
/// them. Shapes noted inside the graph are then wrong and go; ONNX Runtime works them out anyway.
fn free_dimensions(graph: &mut Graph, spec: OptimizeSpec) {
    if !spec.free_batch && !spec.free_size {
        return;
    }
    graph.value_info.clear();
    let free = |dimension: &mut Dimension, name: String| {
        *dimension = Dimension { value: None, param: Some(name), denotation: dimension.denotation.take() };
    };
    for input in &mut graph.input {
        for (axis, dimension) in dimensions(input).iter_mut().enumerate() {
            match axis {
                0 if spec.free_batch => free(dimension, "batch".to_owned()),
                2 | 3 if spec.free_size => free(dimension, format!("size_{axis}")),
                _ => {}
            }
        }
    }
    for output in &mut graph.output {
        let name = output.name.clone();
        for (axis, dimension) in dimensions(output).iter_mut().enumerate() {
            match axis {
                0 if spec.free_batch => free(dimension, "batch".to_owned()),
                1..=3 if spec.free_size => free(dimension, format!("{name}_{axis}")),
                _ => {}
            }
        }
    }
}

fn dimensions(value: &mut ValueInfo) -> &mut [Dimension] {
    value
        .kind
        .as_mut()
        .and_then(|kind| kind.tensor.as_mut())
        .and_then(|tensor| tensor.shape.as_mut())
        .map_or(&mut [], |shape| shape.dim.as_mut_slice())
}
