use super::*;
use crate::catalogue::Catalogue;
use crate::optimize::int8_loss::Rates;
use crate::optimize::onnx::OpsetId;

/// `x → Conv(2 channels, 1×1) → PRelu → Dropout → Gemm → y`
fn model(opset: i64) -> Model {
    let floats =
        |name: &str, dims: Vec<i64>, values: &[f32]| TensorData::floats(name.to_owned(), dims, values);
    let graph = Graph {
        node: vec![
            Node::new("Sub", &["x", "mean"], "shifted", Vec::new()),
            Node::new("Conv", &["shifted", "w"], "a", Vec::new()),
            Node::new("PRelu", &["a", "slope"], "b", Vec::new()),
            Node::new("Dropout", &["b"], "c", Vec::new()),
            Node::new("Gemm", &["c", "v", "bias"], "y", vec![Attribute::int("transB", 1)]),
        ],
        initializer: vec![
            floats("mean", vec![1], &[3.0]),
            floats("w", vec![2, 2, 1, 1], &[1.0, -2.0, 0.001, 0.002]),
            floats("slope", vec![2, 1, 1], &[0.1, 0.2]),
            floats("v", vec![1, 2], &[0.5, 0.25]),
            floats("bias", vec![1], &[7.0]),
        ],
        input: vec![ValueInfo::floats("x".to_owned())],
        output: vec![ValueInfo::floats("y".to_owned())],
        ..Graph::default()
    };
    let opset_import = vec![OpsetId { domain: None, version: Some(opset) }];
    Model { graph: Some(graph), opset_import, ..Model::default() }
}

fn ready(opset: i64) -> Model {
    let mut model = model(opset);
    drop_dropouts(model.graph.as_mut().unwrap());
    model
}

fn ranges() -> Ranges {
    Ranges::from([("shifted".to_owned(), [-1.0, 3.0]), ("b".to_owned(), [0.5, 2.0])])
}

fn initial<'a>(graph: &'a Graph, name: &str) -> &'a TensorData {
    graph.weight(name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn dropouts_go_and_their_readers_read_what_they_read() {
    let graph = ready(11).graph.unwrap();
    assert!(graph.node.iter().all(|node| node.op_type != "Dropout"));
    assert_eq!(graph.node.last().unwrap().input[0], "b");
    assert_eq!(layer_inputs(&graph), ["b", "shifted"]);
}

#[test]
fn each_channel_of_a_weight_is_rounded_by_its_own_scale() {
    let mut model = ready(11);
    assert_eq!(quantise(&mut model, &ranges()), Ok(2));
    assert_eq!(model.opset_import[0].version, Some(OPSET_PER_CHANNEL));
    let graph = model.graph.unwrap();
    let scales = initial(&graph, "w__scale").to_floats().unwrap();
    assert_eq!(scales, [2.0 / 127.0, 0.002 / 127.0]);
    let quantized: Vec<i8> =
        initial(&graph, "w__quantized").raw_data.clone().unwrap().into_iter().map(u8::cast_signed).collect();
    assert_eq!(quantized, [64, -127, 64, 127]);
    assert!(graph.weight("w").is_none(), "the wide weights are gone");
    let order: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
    let [q, dq] = ["QuantizeLinear", "DequantizeLinear"];
    assert_eq!(order, ["Sub", q, dq, dq, "Conv", "PRelu", q, dq, dq, "Gemm"]);
}

#[test]
fn a_range_always_holds_zero_exactly() {
    let mut model = ready(11);
    quantise(&mut model, &ranges()).unwrap();
    let graph = model.graph.unwrap();
    let zero = |name: &str| initial(&graph, name).raw_data.clone().unwrap()[0];
    let scale = |name: &str| initial(&graph, name).to_floats().unwrap()[0];
    assert_eq!((zero("shifted__zero"), zero("b__zero")), (64, 0));
    assert!((scale("shifted__scale") - 4.0 / 255.0).abs() < 1e-7);
    assert!((scale("b__scale") - 2.0 / 255.0).abs() < 1e-7, "from 0, not from 0.5");
}

#[test]
fn what_would_change_its_meaning_is_refused() {
    let mut other = ready(11);
    other.graph.as_mut().unwrap().node[2].op_type = "Softmax".to_owned();
    assert!(quantise(&mut other, &ranges()).unwrap_err().to_string().contains("Softmax"));
    assert!(quantise(&mut ready(8), &ranges()).unwrap_err().to_string().contains('8'));
    assert_eq!(quantise(&mut ready(17), &ranges()), Ok(2), "new enough as it is");
    let mut unknown = ranges();
    unknown.insert("nowhere".to_owned(), [0.0, 1.0]);
    assert!(quantise(&mut ready(11), &unknown).is_err(), "a range of a value that is not there");
}

#[test]
fn far_values_are_left_out_of_a_range() {
    let mut values: Vec<f32> = (0..20_000).map(|at| at as f32).collect();
    values[7] = -1e9;
    values[8] = 1e9;
    let [least, most] = spread(&mut values);
    assert!((0.0..10.0).contains(&least) && (19_990.0..20_000.0).contains(&most), "{least} {most}");
    let is = |found: [f32; 2], both: f32| found.iter().all(|end| (end - both).abs() < 1e-6);
    assert!(is(spread(&mut []), 0.0) && is(spread(&mut [5.0]), 5.0));
}

fn loss(int8: (f64, f32), mixed: (f64, f32)) -> Loss {
    let rates = |(true_match_rate, threshold)| Rates { true_match_rate, threshold };
    Loss {
        genuine_pairs: 4000,
        impostor_pairs: 1_000_000,
        cosine_least: 0.98,
        cosine_mean: 0.99,
        original: rates((0.985, 0.29)),
        int8: rates(int8),
        mixed: rates(mixed),
    }
}

#[test]
fn a_loss_is_accepted_within_its_bounds_only() {
    assert_eq!(loss((0.984, 0.291), (0.9835, 0.289)).objection(), None);
    assert!(loss((0.982, 0.29), (0.985, 0.29)).objection().unwrap().to_string().contains("0.30 points"));
    assert!(loss((0.985, 0.29), (0.982, 0.29)).objection().unwrap().to_string().starts_with("mixed"));
    assert!(loss((0.985, 0.31), (0.985, 0.29)).objection().unwrap().to_string().contains("0.020"));
    let few = Loss { genuine_pairs: 999, ..loss((0.985, 0.29), (0.985, 0.29)) };
    assert!(few.objection().unwrap().to_string().contains("999"));
    assert!(loss((f64::NAN, 0.29), (0.985, 0.29)).objection().is_some());
}

#[test]
fn the_calibration_that_comes_with_sface_is_in_order() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let catalogue = Catalogue::read(&folder).unwrap();
    let sface = catalogue.find("sface", "embedder").unwrap();
    let found = Calibration::read(sface).unwrap();
    assert_eq!(found.ranges.len(), 28, "27 convolutions and a fully connected layer");
    let other = ModelSpec { sha256: "0".repeat(64), ..sface.clone() };
    assert!(Calibration::read(&other).unwrap_err().to_string().contains("another file"));
}
