//! Fields as they are typed, and the request they make.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::{Map, Value};

use menshen_testbed::local_api::calls::{Place, Published};
use menshen_testbed::local_api::percent;

/// What is sent.
#[derive(Debug, PartialEq)]
pub struct Request {
    /// With its query.
    pub path: String,
    pub body: Option<Value>,
}

impl Request {
    /// The request of a call with these fields.
    ///
    /// # Errors
    /// When a field is missing, unknown or cannot be read.
    pub fn new(call: &Published, typed: &[String], file: Option<&Path>) -> Result<Self> {
        let mut fields = Vec::new();
        for text in typed {
            fields.push(read(text)?);
        }
        let mut path = call.path.to_owned();
        if let Some(name) = call.field_of_path() {
            let at = fields.iter().position(|(key, _)| key == name);
            let at = at.with_context(|| missing(call, name))?;
            let (_, value) = fields.remove(at);
            path = path.replace(&format!("{{{name}}}"), &percent(&plain(&value)));
        }
        for (key, _) in &fields {
            check(call, key)?;
        }
        let mut whole = match file {
            None => Map::new(),
            Some(_) if call.place == Place::Query => bail!("`{}` has no body 该接口没有请求体", call.name),
            Some(file) => body_of(file)?,
        };
        let is_there = |name: &&str| {
            whole.contains_key(*name)
                || fields.iter().any(|(key, _)| key == name || top(key) == *name && call.place == Place::Body)
        };
        if let Some(name) = call.must.iter().find(|name| !is_there(name)) {
            bail!(missing(call, name));
        }
        if call.place == Place::Query {
            let pairs: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{}={}", percent(key), percent(&plain(value))))
                .collect();
            let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
            return Ok(Self { path: path + &query, body: None });
        }
        for (key, value) in fields {
            put(&mut whole, &key, value)?;
        }
        Ok(Self { path, body: Some(Value::Object(whole)) })
    }
}

fn top(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

fn missing(call: &Published, name: &str) -> String {
    let fields: Vec<_> = call.fields().collect();
    format!("`{}` needs the field `{name}`; its fields are {} 缺少字段", call.name, fields.join(", "))
}

/// A misspelt field would be read by nobody, and missed by nobody either.
fn check(call: &Published, key: &str) -> Result<()> {
    let is_known = call.fields().any(|known| known == key || call.place == Place::Body && known == top(key));
    if !is_known {
        let fields: Vec<_> = call.fields().collect();
        bail!("`{}` has no field `{key}`; its fields are {} 没有该字段", call.name, fields.join(", "));
    }
    Ok(())
}

fn body_of(file: &Path) -> Result<Map<String, Value>> {
    let shown = file.display();
    let text = std::fs::read(file).with_context(|| format!("cannot read {shown} 无法读取"))?;
    let value = serde_json::from_slice(&text).with_context(|| format!("{shown} is not JSON 不是 JSON"))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => bail!("{shown} is not a JSON object 不是 JSON 对象"),
    }
}

/// `name=text`, `name:=JSON`, `name=@FILE`.
fn read(typed: &str) -> Result<(String, Value)> {
    let (key, value) = typed.split_once('=').with_context(|| {
        format!("`{typed}` is no field: name=text, name:=JSON or name=@FILE 字段格式错误")
    })?;
    if let Some(key) = key.strip_suffix(':') {
        let value = serde_json::from_str(value)
            .with_context(|| format!("`{typed}`: what follows := is not JSON 不是 JSON"))?;
        return Ok((key.to_owned(), value));
    }
    if let Some(file) = value.strip_prefix('@') {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {file} 无法读取"))?;
        return Ok((key.to_owned(), base64::prelude::BASE64_STANDARD.encode(bytes).into()));
    }
    Ok((key.to_owned(), value.into()))
}

/// As it stands in a query.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn put(into: &mut Map<String, Value>, key: &str, value: Value) -> Result<()> {
    let Some((first, rest)) = key.split_once('.') else {
        into.insert(key.to_owned(), value);
        return Ok(());
    };
    let inner = into.entry(first).or_insert_with(|| Map::new().into());
    match inner.as_object_mut() {
        Some(inner) => put(inner, rest, value),
        None => bail!("`{first}` is no object, so `{key}` cannot be put into it 不是对象"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_testbed::local_api::calls::find;
    use serde_json::json;

    fn request(name: &str, fields: &[&str]) -> Result<Request> {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        Request::new(find(name).unwrap(), &fields, None)
    }

    #[test]
    fn fields_go_where_the_call_has_them() {
        let photo = std::env::temp_dir().join(format!("menshen-fields-{}", std::process::id()));
        std::fs::write(&photo, b"\xff\xd8").unwrap();
        let typed = format!("reg_photo=@{}", photo.display());
        let user = request(
            "user-add",
            &[
                "identity_id=1001",
                &typed,
                "info.name=张三",
                "info.permission_ids:=[\"0\"]",
                "ignore_exist:=true",
            ],
        );
        std::fs::remove_file(&photo).unwrap();
        let expected = json!({
            "identity_id": "1001", "reg_photo": "/9g=", "ignore_exist": true,
            "info": { "name": "张三", "permission_ids": ["0"] },
        });
        assert_eq!(user.unwrap(), Request { path: "/SophonFogSys/api/users".into(), body: Some(expected) });
        let found = request("permission-find", &["info.name=a b", "exact=true"]).unwrap();
        assert_eq!(found.path, "/SophonFace/api/permissions?info.name=a%20b&exact=true");
        assert_eq!(found.body, None);
        let picture = request("event-photo", &["pic_id=a/b.jpg"]).unwrap();
        assert_eq!(picture.path, "/SophonFace/api/event_images/a%2Fb.jpg");
    }

    #[test]
    fn what_is_missing_or_misspelt_is_named() {
        for (name, fields, word) in [
            ("user-add", &["identity_id=1"][..], "`info`"),
            ("user-add", &["identity_id=1", "info:={}", "reg_foto=x"], "`reg_foto`"),
            ("user-add", &["identity_id"], "name=text"),
            ("user-add", &["identity_id:=x"], "not JSON"),
            ("user-add", &["identity_id=1", "info=x", "info.name=y"], "no object"),
            ("match", &["device_ip=1", "rgb_image_base64=@/nowhere"], "/nowhere"),
            ("event-photo", &[], "`pic_id`"),
            ("events", &["identity.id=1"], "`identity.id`"),
        ] {
            let error = format!("{:#}", request(name, fields).unwrap_err());
            assert!(error.contains(word), "{error}");
        }
    }
}
