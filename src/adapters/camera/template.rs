//! Launch templates: what `pipelines/*.toml` say, checked, and how values get into them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gstreamer::Pipeline;
use gstreamer::prelude::*;
use serde::Deserialize;
use url::Url;

use super::parameter_error::ParameterError;
use crate::ports::camera::{OpenError, StreamTraits};
use menshen_domain::address::Address;
use menshen_domain::not_toml::NotToml;
use menshen_domain::secrets::mask_url;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_domain::typed;

/// Name of the appsink every template ends in.
pub const FRAMES: &str = "frames";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Url,
    Path,
    Device,
    Integer,
    Choice,
}

/// The element property a parameter sets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    element: String,
    property: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameter {
    description: String,
    kind: Kind,
    #[serde(default)]
    schemes: Vec<String>,
    #[serde(default)]
    choices: Vec<String>,
    min: Option<i64>,
    max: Option<i64>,
    /// Absent: the parameter must be given.
    default: Option<String>,
    /// Where the value goes in a `launch`.
    set: Option<Target>,
    /// Instead: the frames a second that get through.
    #[serde(default)]
    thins: bool,
    /// Instead: another template that is opened beside this one, with the value as its `url`. Empty is for none.
    opens: Option<String>,
}

/// Where the pictures of a template come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The `launch` of GStreamer.
    #[default]
    Gstreamer,
    /// The device sends them by itself.
    Push,
    /// It is asked for one after the other, over HTTP.
    Snapshot,
    /// One JPEG after the other in one answer, over HTTP.
    Mjpeg,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    #[serde(skip)]
    name: String,
    #[allow(dead_code, reason = "shown by the console")]
    description: String,
    live: bool,
    silence_timeout_ms: u64,
    /// Whether the pictures leave as they came: for a template others open.
    #[serde(default)]
    encoded: bool,
    #[serde(default)]
    source: Source,
    #[serde(default)]
    launch: String,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
}

/// Reads every template of a folder.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn read_all(folder: &Path) -> Result<BTreeMap<String, Template>, Vec<OpenError>> {
    let unreadable =
        |reason: String| vec![OpenError::Template { name: folder.display().to_string(), reason }];
    let mut templates = BTreeMap::new();
    let mut errors = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(error.to_string()))? {
        let path = entry.map_err(|error| unreadable(error.to_string()))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".toml"))
        else {
            continue;
        };
        let wrong = |reason: String| OpenError::Template { name: name.to_owned(), reason };
        let read = std::fs::read_to_string(&path)
            .map_err(|error| wrong(error.to_string()))
            .and_then(|text| parse(&text).map_err(wrong));
        match read {
            Ok(template) => {
                let template = Template { name: name.to_owned(), ..template };
                match template.check() {
                    Ok(()) => drop(templates.insert(name.to_owned(), template)),
                    Err(error) => errors.push(error),
                }
            }
            Err(error) => errors.push(error),
        }
    }
    for template in templates.values() {
        errors.extend(
            template.opened().filter(|other| !templates.get(*other).is_some_and(Template::is_encoded)).map(
                |other| {
                    template.wrong(format!("opens `{other}`, which is no template with `encoded = true`"))
                },
            ),
        );
    }
    if errors.is_empty() { Ok(templates) } else { Err(errors) }
}

/// A template as it is written, not checked yet.
fn parse(text: &str) -> Result<Template, String> {
    let table = toml::from_str::<toml::Table>(text).map_err(|error| {
        NotToml::new(text, error.span().map_or(0, |span| span.start), error.message()).to_string()
    })?;
    let table = serde_json::to_value(table).unwrap_or_default();
    typed::read(&table).map_err(|fault| fault.to_string())
}

impl Template {
    pub fn traits(&self) -> StreamTraits {
        StreamTraits { live: self.live, silence_timeout: Duration::from_millis(self.silence_timeout_ms) }
    }

    fn wrong(&self, reason: impl Into<String>) -> OpenError {
        OpenError::Template { name: self.name.clone(), reason: reason.into() }
    }

    /// Parses the launch text and looks for every named element and property, without any values.
    fn check(&self) -> Result<(), OpenError> {
        if !(500..=120_000).contains(&self.silence_timeout_ms) {
            return Err(self.wrong("silence_timeout_ms must be 500 to 120000"));
        }
        for (name, parameter) in &self.parameters {
            if let Some(default) = &parameter.default {
                parameter
                    .check(default)
                    .map_err(|reason| self.wrong(format!("parameters.{name}.default: {reason}")))?;
            }
        }
        if self.source == Source::Gstreamer { self.check_launch() } else { self.check_without_launch() }
    }

    fn check_without_launch(&self) -> Result<(), OpenError> {
        if !self.launch.is_empty() {
            return Err(self.wrong("launch has no place where source is not gstreamer"));
        }
        match self.parameters.iter().find(|(_, parameter)| parameter.set.is_some()) {
            Some((name, _)) => Err(self.wrong(format!("parameters.{name}: there is no element to set"))),
            None => Ok(()),
        }
    }

    fn check_launch(&self) -> Result<(), OpenError> {
        let pipeline = self.parse()?;
        for (name, parameter) in self.parameters.iter().filter(|(_, parameter)| parameter.is_set()) {
            let Target { element, property } = self.target(name, parameter)?;
            let found = pipeline
                .by_name(element)
                .ok_or_else(|| self.wrong(format!("parameters.{name}: no element is named `{element}`")))?;
            if found.find_property(property).is_none() {
                return Err(
                    self.wrong(format!("parameters.{name}: `{element}` has no property `{property}`"))
                );
            }
        }
        if pipeline.by_name(FRAMES).is_none_or(|element| !element.is::<gstreamer_app::AppSink>()) {
            return Err(self.wrong(format!("launch must end in `appsink name={FRAMES}`")));
        }
        Ok(())
    }

    fn target<'a>(&self, name: &str, parameter: &'a Parameter) -> Result<&'a Target, OpenError> {
        parameter.set.as_ref().ok_or_else(|| {
            self.wrong(format!("parameters.{name}: `set` must name an element and a property"))
        })
    }

    fn parse(&self) -> Result<Pipeline, OpenError> {
        let element = gstreamer::parse::launch(&self.launch).map_err(|error| {
            let text = error.to_string();
            let hint = if text.contains("no element") {
                "; scripts/setup installs the GStreamer plugins"
            } else {
                ""
            };
            self.wrong(format!("launch: {text}{hint}"))
        })?;
        element.downcast::<Pipeline>().map_err(|_| self.wrong("launch must describe more than one element"))
    }

    /// Frames a second that a device's values let through.
    pub fn max_fps(&self, given: &BTreeMap<String, String>) -> Option<f64> {
        let (name, parameter) = self.parameters.iter().find(|(_, parameter)| parameter.thins)?;
        given.get(name).or(parameter.default.as_ref())?.parse().ok()
    }

    /// Whether its pictures leave as they came.
    pub fn is_encoded(&self) -> bool {
        self.encoded
    }

    fn opened(&self) -> impl Iterator<Item = &str> {
        self.parameters.values().filter_map(|parameter| parameter.opens.as_deref())
    }

    /// The template that is opened beside this one, and the values for it: what it knows of those of the device.
    pub fn beside(&self, given: &BTreeMap<String, String>) -> Option<(&str, BTreeMap<String, String>)> {
        let mut opening =
            self.parameters.iter().filter_map(|(name, parameter)| Some((name, parameter.opens.as_ref()?)));
        let (name, other) = opening.next()?;
        let url = given.get(name).filter(|url| !url.is_empty())?;
        let mut values: BTreeMap<String, String> = given
            .iter()
            .filter(|(key, _)| self.parameters.get(*key).is_some_and(Parameter::is_set))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        values.insert("url".to_owned(), url.clone());
        Some((other, values))
    }

    pub fn source(&self) -> Source {
        self.source
    }

    /// The values of a device, checked, with the defaults for what it does not name.
    pub fn values(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, OpenError> {
        if let Some(unknown) = given.keys().find(|key| !self.parameters.contains_key(*key)) {
            let known: Vec<_> = self.parameters.keys().map(String::as_str).collect();
            let known = if known.is_empty() { tr!(spoken(), "none", "无") } else { known.join(", ") };
            return Err(self.wrong(tr!(
                spoken(),
                "there is no parameter `{unknown}`; there is {known}",
                "没有参数 `{unknown}`；可用的有 {known}"
            )));
        }
        let mut values = BTreeMap::new();
        for (name, parameter) in &self.parameters {
            let value = given.get(name).or(parameter.default.as_ref()).ok_or_else(|| {
                let what = &parameter.description;
                self.wrong(tr!(
                    spoken(),
                    "parameter `{name}` must be given: {what}",
                    "必须填写参数 `{name}`：{what}"
                ))
            })?;
            parameter.check(value).map_err(|reason| {
                self.wrong(tr!(spoken(), "parameter `{name}`: {reason}", "参数 `{name}`：{reason}"))
            })?;
            values.insert(name.clone(), parameter.ready(value));
        }
        Ok(values)
    }

    /// The pipeline with a device's values set, not started.
    pub fn build(&self, given: &BTreeMap<String, String>) -> Result<Pipeline, OpenError> {
        let values = self.values(given)?;
        let pipeline = self.parse()?;
        for (name, value) in &values {
            let parameter = &self.parameters[name];
            if !parameter.is_set() {
                continue;
            }
            let Target { element, property } = self.target(name, parameter)?;
            let element = pipeline
                .by_name(element)
                .ok_or_else(|| self.wrong(format!("no element is named `{element}`")))?;
            // The value is data for one property; GStreamer's launch syntax never sees it.
            match Address::read(value)
                .filter(|address| parameter.kind == Kind::Url && !address.login.is_empty())
            {
                // Without a login in its address, none can be in an element's messages.
                Some(address) if element.find_property("user-id").is_some() => {
                    element.set_property_from_str(property, &address.without_login());
                    element.set_property("user-id", &address.login.user);
                    element.set_property("user-pw", &address.login.password);
                }
                _ => element.set_property_from_str(property, value),
            }
        }
        Ok(pipeline)
    }
}

impl Parameter {
    /// Whether it sets a property of an element.
    fn is_set(&self) -> bool {
        !self.thins && self.opens.is_none()
    }

    /// The value as it is used: an address with escapes where its login needs them.
    fn ready(&self, value: &str) -> String {
        let address =
            Address::read(value).filter(|address| self.kind == Kind::Url && !address.login.is_empty());
        address.map_or_else(|| value.to_owned(), |address| address.canonical())
    }

    fn check(&self, value: &str) -> Result<(), ParameterError> {
        let shown = || mask_url(value);
        let value_of = shown;
        match self.kind {
            Kind::Url if self.opens.is_some() && value.is_empty() => Ok(()),
            Kind::Url => {
                let url =
                    Url::parse(&self.ready(value)).map_err(|_| ParameterError::Url { shown: shown() })?;
                if url.host_str().is_none() {
                    return Err(ParameterError::NoHost { shown: shown() });
                }
                if self.schemes.iter().any(|scheme| scheme == url.scheme()) {
                    return Ok(());
                }
                let known = self.schemes.join(", ");
                Err(ParameterError::NotOneOf { value: url.scheme().to_owned(), known })
            }
            Kind::Path if Path::new(value).is_file() => Ok(()),
            Kind::Path => Err(ParameterError::NoFile(value_of())),
            Kind::Device if !value.starts_with("/dev/") || value.contains("..") => {
                Err(ParameterError::NotDevice(value_of()))
            }
            Kind::Device if Path::new(value).exists() => Ok(()),
            Kind::Device => Err(ParameterError::NoDevice(value_of())),
            Kind::Integer => {
                let (min, max) = (self.min.unwrap_or(i64::MIN), self.max.unwrap_or(i64::MAX));
                match value.parse::<i64>() {
                    Ok(number) if (min..=max).contains(&number) => Ok(()),
                    _ => Err(ParameterError::NotWithin { value: value_of(), min, max }),
                }
            }
            Kind::Choice if self.choices.iter().any(|choice| choice == value) => Ok(()),
            Kind::Choice => {
                Err(ParameterError::NotOneOf { value: value_of(), known: self.choices.join(", ") })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> BTreeMap<String, Template> {
        gstreamer::init().unwrap();
        read_all(Path::new("pipelines")).unwrap()
    }

    fn build(pipeline: &str, values: &[(&str, &str)]) -> Result<Pipeline, OpenError> {
        let values = values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        shipped()[pipeline].build(&values)
    }

    #[test]
    fn a_url_is_data_and_cannot_inject() {
        let url = "rtsp://h/x ! filesink location=/tmp/stolen name=evil";
        let pipeline = build("rtsp", &[("url", url)]).unwrap();
        assert!(pipeline.by_name("evil").is_none());
        let location: String = pipeline.by_name("source").unwrap().property("location");
        assert_eq!(location, url);
    }

    #[test]
    fn wrong_values_are_named_and_passwords_masked() {
        for (values, expected) in [
            (vec![], "parameter `url` must be given"),
            (vec![("url", "http://u:secret@h/")], "`http` is not one of rtsp"),
            (vec![("url", "rtsp//u:secret@h/")], "is no URL"),
            (vec![("url", "rtsp://h/"), ("transport", "pigeon")], "not one of tcp, udp"),
            (vec![("url", "rtsp://h/"), ("latency_ms", "-1")], "from 0 to 5000"),
            (vec![("url", "rtsp://h/"), ("colour", "red")], "no parameter `colour`"),
        ] {
            let error = build("rtsp", &values).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret@h/x"), "{error}");
        }
    }

    #[test]
    fn a_login_goes_to_the_element_as_it_was_typed() {
        for (name, scheme) in [("rtsp", "rtsp"), ("rtsp", "rtsps"), ("rtsp-main", "rtspt")] {
            for password in ["p@ss#w0rd", "pass w0rd", "pa/ss?w0rd:1"] {
                let url = format!("{scheme}://admin:{password}@192.168.1.64/x");
                let source = build(name, &[("url", &url)]).unwrap().by_name("source").unwrap();
                let text = |property: &str| source.property::<String>(property);
                assert_eq!((text("user-id").as_str(), text("user-pw").as_str()), ("admin", password));
                assert_eq!(text("location"), format!("{scheme}://192.168.1.64/x"));
            }
        }
    }

    /// Every parameter of every shipped template: what does not fit is refused, what is taken stays data.
    #[test]
    fn no_parameter_injects_anything() {
        const EVIL: [&str; 9] = [
            "x ! filesink location=/tmp/stolen name=evil",
            "\" ! fakesink name=evil \"",
            "rtsp://h/\" ! fakesink name=evil",
            "http://h/x ! multifilesink name=evil location=/tmp/%d",
            "/dev/video0 ! fakesink name=evil",
            "/dev/../etc/passwd",
            "15 ! fakesink name=evil",
            "tcp ! fakesink name=evil",
            "true name=evil",
        ];
        let good = |parameter: &Parameter| match parameter.kind {
            Kind::Url => format!("{}://h/x", parameter.schemes[0]),
            Kind::Path => "Cargo.toml".to_owned(),
            Kind::Device => "/dev/null".to_owned(),
            Kind::Integer | Kind::Choice => parameter.default.clone().unwrap(),
        };
        let mut tried = 0;
        for (name, template) in shipped() {
            let values: BTreeMap<_, _> =
                template.parameters.iter().map(|(key, parameter)| (key.clone(), good(parameter))).collect();
            template.values(&values).unwrap_or_else(|error| panic!("{name}: {error}"));
            let is_gstreamer = template.source == Source::Gstreamer;
            let elements = is_gstreamer.then(|| template.build(&values).unwrap().children().len());
            for key in template.parameters.keys() {
                for evil in EVIL {
                    let mut values = values.clone();
                    values.insert(key.clone(), evil.to_owned());
                    tried += 1;
                    if template.values(&values).is_err() {
                        continue;
                    }
                    // Taken: a URL, or the path of a file that is there, and it is no more than that.
                    let kind = &template.parameters[key].kind;
                    assert!(matches!(kind, Kind::Url | Kind::Path), "{name}.{key} took {evil}");
                    let Some(elements) = elements else { continue };
                    let pipeline = template.build(&values).unwrap();
                    assert!(pipeline.by_name("evil").is_none(), "{name}.{key}: {evil}");
                    assert_eq!(pipeline.children().len(), elements, "{name}.{key}: {evil}");
                }
            }
        }
        assert!(tried >= 9 * 12, "{tried}");
    }

    #[test]
    fn every_broken_template_is_told() {
        gstreamer::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let good = std::fs::read_to_string("pipelines/test.toml").unwrap();
        for (name, text) in [
            ("a", good.replace("videotestsrc", "nosuchelement")),
            ("b", good.replace("name=frames", "name=other")),
            ("c", good.replace("live = true", "lively = true")),
            ("d", good.replace("live = true", "live = true\nsource = \"push\"")),
        ] {
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        }
        let errors = read_all(folder.path()).unwrap_err();
        let all = errors.iter().map(ToString::to_string).collect::<String>();
        assert_eq!(errors.len(), 4, "{all}");
        for expected in ["nosuchelement", "appsink name=frames", "lively", "launch has no place"] {
            assert!(all.contains(expected), "{all}");
        }
    }

    #[test]
    fn a_mistyped_template_is_told_by_key_and_value() {
        let text = "description = \"x\"\nlive = true\nsilence_timeout_ms = 5000\n";
        for (from, to, expected) in [
            ("live = true", "live = 1", "`live`: is the number 1; wanted is true or false"),
            ("5000", "-5", "`silence_timeout_ms`: is the number -5; wanted is a whole number from 0 on"),
            ("live", "life", "unknown key `life`; there is"),
        ] {
            assert!(parse(&text.replacen(from, to, 1)).unwrap_err().contains(expected));
        }
    }
}
