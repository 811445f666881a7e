//! Large fully connected layers with weights of 8 bits.
//!
//! Such a layer reads every weight once for one face: its time is that of fetching them from memory. Blocks of 64 weights
//! get a scale each (`MatMulNBits` of ONNX Runtime), which costs a relative error of some 1e-3 a weight and, summed over
//! thousands of them, 1e-5 in the cosine of the result; the comparison with the original measures it.

use super::onnx::{Attribute, Model, Node, OpsetId, TensorData};

const DOMAIN: &str = "com.microsoft";
/// Weights that share a scale.
const BLOCK: usize = 64;
/// Layers below this many weights stay in the cache as they are.
const WEIGHTS_MIN: usize = 1 << 20;
/// The middle of the unsigned range is zero.
const ZERO: f32 = 128.0;
/// `accuracy_level` 4: products of 8-bit integers, which processors have instructions for.
const INT8_PRODUCTS: i64 = 4;

/// Rewrites every large `Gemm` it understands; how many there were.
pub fn quantize_dense(model: &mut Model) -> usize {
    let Some(graph) = model.graph.as_mut() else { return 0 };
    let mut rewritten = 0;
    let mut at = 0;
    while at < graph.node.len() {
        match weight_of(&graph.node[at]).and_then(|name| Some((name, graph.weight(name)?))) {
            Some((_, layer)) if layer.dims.len() == 2 => match quantized(&graph.node[at], layer) {
                Some((nodes, weights)) => {
                    let count = nodes.len();
                    graph.node.splice(at..=at, nodes);
                    graph.initializer.extend(weights);
                    rewritten += 1;
                    at += count;
                }
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    let known = |set: &OpsetId| set.domain.as_deref() == Some(DOMAIN);
    if rewritten > 0 && !model.opset_import.iter().any(known) {
        model.opset_import.push(OpsetId { domain: Some(DOMAIN.to_owned()), version: Some(1) });
    }
    rewritten
}

/// The name of the weights, when the node is `x Wᵀ + b`.
fn weight_of(node: &Node) -> Option<&String> {
    let plain = node.op_type == "Gemm"
        && node.int("transA", 0) == 0
        && node.int("transB", 0) == 1
        && node.float("alpha", 1.0).to_bits() == 1f32.to_bits()
        && node.float("beta", 1.0).to_bits() == 1f32.to_bits();
    node.input.get(1).filter(|_| plain && node.input.len() == 3)
}

fn quantized(node: &Node, layer: &TensorData) -> Option<([Node; 2], [TensorData; 2])> {
    let [outputs, inputs] = layer.dims.as_slice() else { return None };
    let values = layer.to_floats()?;
    let blocks = usize::try_from(*inputs).ok()? / BLOCK;
    if values.len() < WEIGHTS_MIN || i64::try_from(blocks * BLOCK) != Ok(*inputs) {
        return None;
    }
    let mut scales = Vec::with_capacity(values.len() / BLOCK);
    let mut bytes = Vec::with_capacity(values.len());
    for block in values.chunks_exact(BLOCK) {
        let largest = block.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let scale = if largest > 0.0 { largest / (ZERO - 1.0) } else { 1.0 };
        scales.push(scale);
        bytes.extend(block.iter().map(|value| (value / scale + ZERO).round() as u8));
    }
    let output = node.output.first()?;
    let [name, scale_name, product] =
        ["quantized", "scale", "product"].map(|part| format!("{output}__{part}"));
    let attributes = [
        ("K", *inputs),
        ("N", *outputs),
        ("bits", 8),
        ("block_size", BLOCK as i64),
        ("accuracy_level", INT8_PRODUCTS),
    ];
    let mut matmul = Node::new(
        "MatMulNBits",
        &[&node.input[0], &name, &scale_name],
        &product,
        attributes.map(|(name, value)| Attribute::int(name, value)).to_vec(),
    );
    matmul.domain = Some(DOMAIN.to_owned());
    let add = Node::new("Add", &[&product, &node.input[2]], output, Vec::new());
    let shape = vec![*outputs, blocks as i64];
    let weights = [
        TensorData::bytes(name, vec![*outputs, blocks as i64, BLOCK as i64], bytes),
        TensorData::floats(scale_name, shape, &scales),
    ];
    Some(([matmul, add], weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::onnx::Graph;

    fn model(inputs: i64, outputs: i64, transposed: i64) -> Model {
        let values: Vec<f32> =
            (0..inputs * outputs).map(|at| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0).collect();
        let gemm = Node::new("Gemm", &["x", "w", "b"], "y", vec![Attribute::int("transB", transposed)]);
        let weights = TensorData::floats("w".to_owned(), vec![outputs, inputs], &values);
        let graph = Graph { node: vec![gemm], initializer: vec![weights], ..Graph::default() };
        Model { graph: Some(graph), ..Model::default() }
    }

    #[test]
    fn quantized_weights_are_the_weights_within_half_a_step() {
        let mut small = model(65_536, 16, 1);
        let wide = small.graph.as_ref().unwrap().initializer[0].to_floats().unwrap();
        assert_eq!(quantize_dense(&mut small), 1);
        assert_eq!(small.opset_import[0].domain.as_deref(), Some(DOMAIN));
        let graph = small.graph.unwrap();
        assert_eq!(
            graph.node.iter().map(|node| node.op_type.as_str()).collect::<Vec<_>>(),
            ["MatMulNBits", "Add"]
        );
        assert_eq!(graph.node[1].output, ["y"]);
        let (bytes, scales) =
            (graph.initializer[1].raw_data.clone().unwrap(), graph.initializer[2].to_floats().unwrap());
        for (at, value) in wide.iter().enumerate() {
            let scale = scales[at / BLOCK];
            let found = (f32::from(bytes[at]) - ZERO) * scale;
            assert!((found - value).abs() <= scale * 0.501, "{at}: {found} {value}");
        }
    }

    #[test]
    fn what_is_small_or_another_form_stays() {
        for (inputs, outputs, transposed) in [(64, 16, 1), (65_536, 16, 0), (65_535, 17, 1)] {
            let mut same = model(inputs, outputs, transposed);
            let before = same.clone();
            assert_eq!(quantize_dense(&mut same), 0);
            assert_eq!(same, before);
        }
    }
}
