//! PReLU as convolutions: ONNX Runtime has a fast, blocked convolution and a slow `PRelu`.
//!
//! `prelu(x) = (1 − a) (relu(x) + r x)` with `r = a / (1 − a)`: one 1×1 depth-wise convolution by `r` and an addition, which
//! the runtime makes one pass of. The factor `1 − a` goes into the weights of the convolution that reads the result. Where
//! that cannot be, a second depth-wise convolution multiplies by it.

use super::onnx::{Attribute, Graph, Node, TensorData};

/// Slopes nearer to 1 than this would make `r` large enough to cost precision.
const DISTANCE_TO_ONE_MIN: f32 = 1e-3;

/// Rewrites every PReLU it understands; how many there were.
pub fn rewrite_prelus(graph: &mut Graph) -> usize {
    let mut rewritten = 0;
    let mut at = 0;
    while at < graph.node.len() {
        let Some(slopes) = slopes(graph, at) else {
            at += 1;
            continue;
        };
        let node = graph.node[at].clone();
        let absorbed = absorb(graph, &node.output[0], &slopes);
        let (parts, weights) = if absorbed { one_pass(&node, &slopes) } else { two_passes(&node, &slopes) };
        let count = parts.len();
        graph.node.splice(at..=at, parts);
        graph.initializer.extend(weights);
        at += count;
        rewritten += 1;
    }
    rewritten
}

/// The slopes, when there is one a channel of a picture (the output of a two-dimensional convolution).
fn slopes(graph: &Graph, at: usize) -> Option<Vec<f32>> {
    let node = &graph.node[at];
    let [source, slope] = node.input.as_slice() else { return None };
    if node.op_type != "PRelu" {
        return None;
    }
    let producer = graph.node[..at].iter().find(|node| node.output.first() == Some(source))?;
    if producer.op_type != "Conv" || graph.weight(producer.input.get(1)?)?.dims.len() != 4 {
        return None;
    }
    let slope = graph.weight(slope)?;
    match slope.dims.as_slice() {
        [channels, 1, 1] | [1, channels, 1, 1] if *channels > 1 => slope.to_floats(),
        _ => None,
    }
}

/// Multiplies the weights of the only reader of `value` by `1 − a`, channel by channel of its input. `false` when
/// that is no convolution, or the value has other readers.
fn absorb(graph: &mut Graph, value: &str, slopes: &[f32]) -> bool {
    if graph.readers().get(value) != Some(&1)
        || !slopes.iter().all(|slope| (1.0 - slope).abs() >= DISTANCE_TO_ONE_MIN)
    {
        return false;
    }
    let reader = |node: &Node| node.op_type == "Conv" && node.input.first().is_some_and(|name| name == value);
    let Some(at) = graph.node.iter().position(reader) else { return false };
    let Some(scaled) = scaled_weights(graph, &graph.node[at], slopes) else { return false };
    graph.node[at].input[1].clone_from(&scaled.name);
    graph.initializer.push(scaled);
    true
}

fn scaled_weights(graph: &Graph, conv: &Node, slopes: &[f32]) -> Option<TensorData> {
    let old = graph.weight(conv.input.get(1)?)?;
    let [outputs, per_group, _, _] = old.dims.as_slice() else { return None };
    let (outputs, per_group) = (usize::try_from(*outputs).ok()?, usize::try_from(*per_group).ok()?);
    let groups = usize::try_from(conv.int("group", 1)).ok()?;
    if outputs == 0 || per_group == 0 || groups == 0 || groups * per_group != slopes.len() {
        return None;
    }
    let mut values = old.to_floats()?;
    let area = values.len() / outputs / per_group;
    for (index, value) in values.iter_mut().enumerate() {
        let (output, within) = (index / area / per_group, index / area % per_group);
        let channel = output / (outputs / groups) * per_group + within;
        *value *= 1.0 - slopes[channel];
    }
    let name = format!("{}__of_{}", old.name, conv.output.first()?);
    Some(TensorData::floats(name, old.dims.clone(), &values))
}

/// `relu(x) + r x`.
fn one_pass(node: &Node, slopes: &[f32]) -> (Vec<Node>, Vec<TensorData>) {
    let (source, output) = (node.input[0].as_str(), node.output[0].as_str());
    let [positive, both, weight] = ["positive", "both", "weight"].map(|part| format!("{output}__{part}"));
    let nodes = vec![
        Node::new("Relu", &[source], &positive, Vec::new()),
        depth_wise(source, &weight, &both, slopes.len()),
        Node::new("Add", &[&positive, &both], output, Vec::new()),
    ];
    let ratios: Vec<f32> = slopes.iter().map(|slope| slope / (1.0 - slope)).collect();
    (nodes, vec![per_channel(weight, &ratios)])
}

/// `(1 − a) relu(x) + a x`.
fn two_passes(node: &Node, slopes: &[f32]) -> (Vec<Node>, Vec<TensorData>) {
    let (source, output) = (node.input[0].as_str(), node.output[0].as_str());
    let [positive, above, below, weight_above, weight_below] =
        ["positive", "above", "below", "weight_above", "weight_below"]
            .map(|part| format!("{output}__{part}"));
    let nodes = vec![
        Node::new("Relu", &[source], &positive, Vec::new()),
        depth_wise(&positive, &weight_above, &above, slopes.len()),
        depth_wise(source, &weight_below, &below, slopes.len()),
        Node::new("Add", &[&above, &below], output, Vec::new()),
    ];
    let rest: Vec<f32> = slopes.iter().map(|slope| 1.0 - slope).collect();
    (nodes, vec![per_channel(weight_above, &rest), per_channel(weight_below, slopes)])
}

fn depth_wise(source: &str, weight: &str, output: &str, channels: usize) -> Node {
    let attributes = vec![Attribute::int("group", channels as i64), Attribute::ints("kernel_shape", &[1, 1])];
    Node::new("Conv", &[source, weight], output, attributes)
}

fn per_channel(name: String, values: &[f32]) -> TensorData {
    TensorData::floats(name, vec![values.len() as i64, 1, 1, 1], values)
}
