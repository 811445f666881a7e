//! Redirects: where they are followed, and what is said of the others.
//!
//! A POST that is redirected is sent again as a GET by some statuses, which delivers nothing and looks delivered, and
//! whole by others, with its portraits, to whoever was named. A token must not leave the server it is for. So nothing
//! that carries either is redirected; downloads and the login by GET are, within one server.

use reqwest::Response;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use url::Url;

use super::host::host_of;
use crate::ports::platform::PlatformError;
use menshen_domain::history::shown;
use menshen_domain::limits;

/// Follows while scheme, host and port stay the same.
pub fn within_server() -> Policy {
    Policy::custom(|attempt| {
        let from = attempt.previous();
        let stays = from.last().is_some_and(|from| from.origin() == attempt.url().origin());
        if stays && from.len() <= limits::REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
    })
}

/// What a redirect that was not followed means.
pub enum Moved<'a> {
    /// The login itself.
    Login,
    /// Another call; the login address, where there is one, tells which addresses are composed from it.
    Call(Option<&'a Url>),
}

impl Moved<'_> {
    /// `None` when it is no redirect, or one to nowhere.
    pub fn error(&self, response: &Response, url: &Url) -> Option<PlatformError> {
        if !response.status().is_redirection() {
            return None;
        }
        let location = response.headers().get(LOCATION)?;
        let to = response.url().join(std::str::from_utf8(location.as_bytes()).ok()?).ok()?;
        Some(PlatformError::Redirect {
            host: host_of(url),
            status: response.status().as_u16(),
            // Servers repeat the query, and with it the token.
            to: shown(&to),
            advice: self.advice(url, &to),
            leads_to_login: leads_to_login(&to),
        })
    }

    fn advice(&self, asked: &Url, to: &Url) -> String {
        match self {
            Self::Login => format!("set platform.login_url to {}", shown(to)),
            Self::Call(Some(login)) if login.origin() == asked.origin() && login.origin() != to.origin() => {
                let mut moved = to.clone();
                moved.set_path(login.path());
                format!("set platform.login_url to {}", shown(&moved))
            }
            Self::Call(_) => {
                "whoever names this address, the platform in its login answer or the settings of \
                              this box, must name the new one"
                    .to_owned()
            }
        }
    }
}

/// Frameworks answer a token that has run out with the way to their login page.
fn leads_to_login(to: &Url) -> bool {
    let place = format!("{}{}", to.host_str().unwrap_or_default(), to.path()).to_ascii_lowercase();
    ["login", "logon", "signin", "sign-in", "sso", "oauth", "/cas"].iter().any(|word| place.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn advice_is_in_the_installers_words() {
        let login = url("http://u:p@old:9061/api/gateway/login?tenant=1");
        let told = |moved: &Moved<'_>, asked: &str, to: &str| moved.advice(&url(asked), &url(to));
        assert_eq!(
            told(&Moved::Login, login.as_str(), "https://new/api/login?dev_sno=D&token=t"),
            "set platform.login_url to https://new/api/login"
        );
        let call = Moved::Call(Some(&login));
        assert_eq!(
            told(&call, "http://old:9061/box/record", "https://old/box/record?token=t"),
            "set platform.login_url to https://old/api/gateway/login"
        );
        for (asked, to) in [
            ("http://old:9061/box/record", "http://old:9061/box/record/"),
            ("http://other/x", "https://other/x"),
        ] {
            assert!(told(&call, asked, to).contains("must name the new one"), "{asked} {to}");
        }
    }

    #[test]
    fn the_way_to_a_login_page_is_known() {
        for to in ["http://h/login.html", "http://h/portal/SignIn", "https://sso.corp/x", "http://h/cas/x"] {
            assert!(leads_to_login(&url(to)), "{to}");
        }
        for to in ["https://h/box/record", "http://h/box/record/", "http://pages.h/"] {
            assert!(!leads_to_login(&url(to)), "{to}");
        }
    }
}
