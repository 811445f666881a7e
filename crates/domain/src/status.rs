//! The protocol's status codes (section 4) with their texts in both languages.

use serde::{Deserialize, Serialize};

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
    ($($name:ident = $code:literal, $zh:literal, $en:literal;)*) => {
        /// One status code of the protocol. `code()` is the number on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum StatusCode {
            $(#[doc = $en] $name,)*
        }

        impl StatusCode {
            /// All codes the box can write.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub fn code(self) -> i64 {
                match self { $(Self::$name => $code,)* }
            }

            /// The text for people, in the language the operator chose.
            pub fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::Zh) => $zh, (Self::$name, Language::En) => $en,)*
                }
            }
        }
    };
}

status_codes! {
    Success = 0, "成功", "success";
    ParamError = 40071, "参数错误", "parameter error";
    ServerProcessFailed = 50072, "处理失败", "processing failed on the box";
    RemoteServerFailed = 50073, "访问管理平台失败", "the platform cannot be reached or did not answer 200";
    RemoteDataFailed = 50074, "管理平台返回的数据有误", "the platform's data is wrong";
    LocalParamError = 40091, "参数错误", "parameter error";
    LocalNotFound = 40491, "未找到", "not found";
    ContentTypeError = 41591, "内容类型错误", "wrong content type";
    BadRequest = 40000, "请求错误", "bad request";
    UnsupportedContentType = 40001, "不支持的内容类型", "unsupported content type";
    EmptyRequestJson = 40002, "请求内容为空", "the request's JSON is empty";
    ImageError = 40003, "图片无法解码", "the picture cannot be decoded";
    NoFace = 40004, "图片中没有检测到人脸", "no face found in the picture";
    BooleanArgumentError = 40005, "布尔参数错误", "boolean argument error";
    LowQuality = 40006, "人脸质量不合格", "the face's quality is too low";
    ImageTooLarge = 40007, "图片尺寸过大", "the picture is too large";
    EmptyGroup = 40008, "底库为空", "the registry is empty";
    FaceTooSmall = 40009, "人脸尺寸过小", "the face is too small";
    BadFeature = 40010, "人脸特征异常", "the face feature is unusable";
    IdentityExists = 40011, "人员已存在", "the person exists already";
    GroupNameError = 40012, "分组名错误", "wrong group name";
    GroupNotLoaded = 40013, "分组未加载", "the group is not loaded";
    StrangerNotDelete = 40014, "陌生人不能删除", "a stranger cannot be deleted";
    CapacityExceeded = 40015, "底库容量已满", "the registry's capacity is exceeded";
    NotFound = 40400, "未找到", "not found";
    IdNotFound = 40401, "人员不存在", "the id is unknown";
    PayloadTooLarge = 41300, "请求体过大", "the payload is too large";
    NotImplemented = 50100, "不支持的方法", "method not implemented";
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
    /// A refusal with its detail; an empty detail is left out of texts.
    pub fn new(code: StatusCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
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
        }
    }
}
