//! The protocol's status codes (section 4) with their texts in both languages.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Language of the texts the box writes into replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Chinese.
    #[default]
    Zh,
    /// English.
    En,
}

macro_rules! status_codes {
    ($($variant:ident = $code:literal, $name:literal, $zh:literal, $en:literal;)*) => {
        /// One status code of the protocol. `code()` is the number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum StatusCode {
            $(#[doc = $en] $variant,)*
        }

        impl StatusCode {
            /// All codes the box can write.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            pub fn code(self) -> i64 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The name in the protocol's table, its spelling included.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The text for people, in the language the operator chose.
            pub fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$variant, Language::Zh) => $zh, (Self::$variant, Language::En) => $en,)*
                }
            }
        }
    };
}

status_codes! {
    Success = 0, "SUCCESS", "成功", "success";
    ParamError = 40071, "PARAM_ERROR", "参数错误", "parameter error";
    ServerProcessFailed = 50072, "SERVER_PROCESS_FAILED", "处理失败", "processing failed on the box";
    RemoteServerFailed = 50073, "REMOTE_SERVER_FAILED", "访问管理平台失败", "the platform cannot be reached or did not answer 200";
    RemoteDataFailed = 50074, "REMOTE_DATA_FAILED", "管理平台返回的数据有误", "the platform's data is wrong";
    LocalParamError = 40091, "PARAM_ERROR", "参数错误", "parameter error";
    LocalNotFound = 40491, "NOT_FOUND", "未找到", "not found";
    ContentTypeError = 41591, "CONTENT_TYPE_ERROR", "内容类型错误", "wrong content type";
    BadRequest = 40000, "BAD_REQUEST", "请求错误", "bad request";
    UnsupportedContentType = 40001, "UNSUPPORT_CONTENT_TYPE", "不支持的内容类型", "unsupported content type";
    EmptyRequestJson = 40002, "EMPTY_REQUEST_JSON", "请求内容为空", "the request's JSON is empty";
    ImageError = 40003, "IMAGE_ERROR", "图片无法解码", "the picture cannot be decoded";
    NoFace = 40004, "NO_FACE", "图片中没有检测到人脸", "no face found in the picture";
    BooleanArgumentError = 40005, "BOOLEAN_ARGUMENT_ERROR", "布尔参数错误", "boolean argument error";
    LowQuality = 40006, "LOW_QUALITY_ERROR", "人脸质量不合格", "the face's quality is too low";
    ImageTooLarge = 40007, "IMAGE_SIZE_TOO_LARGE_ERROR", "图片尺寸过大", "the picture is too large";
    EmptyGroup = 40008, "EMPTY_GROUP_ERROR", "底库为空", "the registry is empty";
    FaceTooSmall = 40009, "ENROLL_FACE_SIZE_NOT_ENOUGH_ERROR", "人脸尺寸过小", "the face is too small";
    BadFeature = 40010, "BAD_FEATURE_ERROR", "人脸特征异常", "the face feature is unusable";
    IdentityExists = 40011, "IDENTITY_EXSIT_ERROR", "人员已存在", "the person exists already";
    GroupNameError = 40012, "GROUP_NAME_ERROR", "分组名错误", "wrong group name";
    GroupNotLoaded = 40013, "GROUP_NOT_LOAD", "分组未加载", "the group is not loaded";
    StrangerNotDelete = 40014, "STRANGER_NOT_DELETE", "陌生人不能删除", "a stranger cannot be deleted";
    CapacityExceeded = 40015, "GROUP_LEN_ERROR", "底库容量已满", "the registry's capacity is exceeded";
    NotFound = 40400, "NOT_FOUND", "未找到", "not found";
    IdNotFound = 40401, "ID_NOT_FOUND", "人员不存在", "the id is unknown";
    PayloadTooLarge = 41300, "PAYLOAD_TOO_LARGE", "请求体过大", "the payload is too large";
    NotImplemented = 50100, "NOT_IMPLEMENTED", "不支持的方法", "method not implemented";
}

/// The text of a success that deserves a look: the new face could be taken for `other`'s.
pub fn success_with_lookalike(other: &str, language: Language) -> String {
    let success = StatusCode::Success.text(language);
    match language {
        Language::Zh => format!("{success}（与已入库人员 {other} 相似，请核对）"),
        Language::En => format!("{success} (looks like {other}, who is enrolled; please check)"),
    }
}

/// A refusal with its code and, for people, what exactly was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolError {
    /// What kind of refusal it is.
    pub code: StatusCode,
    /// What exactly was wrong: `photo url answered 404`. Never holds pictures, tokens or passwords.
    pub detail: String,
}

impl ProtocolError {
    /// A refusal with its detail; an empty detail is left out of texts. Of a very long one the middle is left out.
    pub fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        Self { code, detail: without_middle(detail.into()) }
    }

    /// `text: detail`, for the `message` field of a reply.
    pub fn message(&self, language: Language) -> String {
        if self.detail.is_empty() {
            self.code.text(language).to_owned()
        } else {
            format!("{}: {}", self.code.text(language), self.detail)
        }
    }
}

/// At most [`limits::REFUSAL_CHARS_MAX`] characters.
fn without_middle(text: String) -> String {
    let count = text.chars().count();
    if count <= limits::REFUSAL_CHARS_MAX {
        return text;
    }
    let begin = limits::REFUSAL_CHARS_MAX - limits::REFUSAL_END_CHARS - 1;
    let skipped = count - limits::REFUSAL_END_CHARS;
    text.chars().take(begin).chain(['…']).chain(text.chars().skip(skipped)).collect()
}

impl std::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message(Language::En), self.code.code())
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_are_complete() {
        for code in StatusCode::ALL {
            assert!(!code.text(Language::Zh).is_empty() && !code.text(Language::En).is_empty());
            assert!(code.code() == 0 || (40000..60000).contains(&code.code()));
            assert!(code.name().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
        }
    }

    #[test]
    fn a_refusal_does_not_send_a_long_name_back() {
        let detail = |name: &str| format!("there is no group `{name}`: GET groups lists them");
        let refused = |name: &str| ProtocolError::new(StatusCode::NotFound, detail(name)).detail;
        assert_eq!(refused("夜班"), detail("夜班"));
        let told = refused(&"长".repeat(100_000));
        assert_eq!(told.chars().count(), limits::REFUSAL_CHARS_MAX);
        assert!(
            told.starts_with("there is no group `长") && told.ends_with("`: GET groups lists them"),
            "{told}"
        );
    }
}
