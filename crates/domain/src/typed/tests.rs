//! What is told of values of every wrong kind.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::status::Language;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only read")]
struct Thing {
    size: u16,
    #[serde(default)]
    colours: Vec<Colour>,
    corner: Option<[f32; 2]>,
}

fn told<T: DeserializeOwned + fmt::Debug>(value: &Value) -> String {
    read::<T>(value).unwrap_err().to_string()
}

#[test]
fn what_is_there_and_what_is_wanted_is_told() {
    assert_eq!(
        told::<bool>(&json!("yes")),
        "is the text \"yes\"; wanted is true or false, without quotes, as in true"
    );
    assert_eq!(
        told::<u16>(&json!(-1)),
        "is the number -1; wanted is a whole number from 0 to 65535, as in 5"
    );
    assert_eq!(told::<u64>(&json!(1.5)), "is the number 1.5; wanted is a whole number from 0 on, as in 5");
    assert_eq!(told::<f32>(&json!([1])), "is a list of 1; wanted is a number, without quotes, as in 0.5");
    assert_eq!(told::<PathBuf>(&json!(5)), "is the number 5; wanted is a text in quotes, as in \"text\"");
    assert_eq!(
        told::<Colour>(&json!("green")),
        "is the text \"green\"; wanted is one of \"red\", \"blue\", as in \"red\""
    );
    assert_eq!(told::<Colour>(&json!(true)), "is true; wanted is one of \"red\", \"blue\", as in \"red\"");
    assert_eq!(
        told::<Vec<String>>(&json!({ "a": 1 })),
        "is a table of keys; wanted is a list in square brackets, as in [\"a\", \"b\"]"
    );
    let thing = |value: Value| told::<Thing>(&value);
    assert_eq!(
        thing(json!({ "size": 1, "colours": ["red", 7] })),
        "`colours.1`: is the number 7; wanted is one of \"red\", \"blue\", as in \"red\""
    );
    assert_eq!(
        thing(json!({ "size": 1, "corner": [1] })),
        "`corner`: is a list of 1; wanted is a list of 2 values in square brackets, as in [1, 1]"
    );
    assert_eq!(thing(json!({})), "`size` is missing");
    assert_eq!(thing(json!({ "size": 1, "sise": 2 })), "unknown key `sise`; there is size, colours, corner");
    assert!(read::<Thing>(&json!({ "size": 5.0, "colours": ["blue"], "corner": null })).is_ok());
}

#[test]
fn no_secret_is_repeated_and_long_texts_are_cut() {
    let fault = read::<bool>(&json!("hunter2")).unwrap_err();
    assert!(!fault.text(Language::En, None, true).contains("hunter2"));
    assert!(told::<bool>(&json!("x".repeat(500))).len() < 150);
    assert_eq!(Found::of(&json!({ "$__toml_private_datetime": "x" })), Found::Date);
}
