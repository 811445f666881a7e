//! Logging in as a camera asks for it, over HTTP and RTSP: Basic and Digest (RFC 7616, and RFC 2069 before it), several
//! challenges in one line or in many, whatever the case of their words.

use http_auth::{ChallengeRef, ParamValue, PasswordClient, PasswordParams, parse_challenges};

/// Algorithms of digests, as RFC 7616 spells them, the ones to take first. SHA-512-256 is the last that is taken: who offers it
/// beside others often computes it wrongly (SHA-256, or SHA-512 cut short), and would refuse a right answer as a wrong password.
const ALGORITHMS: [&str; 6] =
    ["SHA-256", "MD5", "SHA-512-256", "SHA-256-sess", "MD5-sess", "SHA-512-256-sess"];
/// A challenge without a name of one means this.
const DEFAULT_ALGORITHM: &str = "MD5";

/// Why a camera's question cannot be answered. It says nothing about the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("the camera asks for a login and does not say how; set its authentication to digest or basic")]
    NoChallenge,
    #[error(
        "the camera asks for {0}, which this box cannot answer; set it to MD5 (digest, or digest/basic) in the camera's \
         authentication settings"
    )]
    Unknown(String),
    #[error(
        "the camera's question for a login is not understood ({0}); update its firmware, or set it to basic"
    )]
    Broken(String),
}

/// What a request is logged in for.
pub struct Asked<'a> {
    pub method: &'a str,
    /// As in the request's first line.
    pub uri: &'a str,
    pub body: Option<&'a [u8]>,
}

/// A question that can be answered, again and again.
pub struct Challenge {
    client: PasswordClient,
    algorithm: Option<&'static str>,
}

impl Challenge {
    /// The best of those a camera offers: values of `WWW-Authenticate`, one a line.
    pub fn best<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, LoginError> {
        let mut found: Option<(usize, Self)> = None;
        let mut trouble = LoginError::NoChallenge;
        for line in lines {
            let Ok(challenges) = parse_challenges(line) else {
                trouble = LoginError::Broken("its header cannot be read".to_owned());
                continue;
            };
            for challenge in challenges {
                match read(challenge) {
                    Ok((rank, challenge)) => {
                        if found.as_ref().is_none_or(|(known, _)| rank < *known) {
                            found = Some((rank, challenge));
                        }
                    }
                    Err(error) => trouble = error,
                }
            }
        }
        found.map(|(_, challenge)| challenge).ok_or(trouble)
    }

    /// Whether the password itself stays here.
    pub fn is_digest(&self) -> bool {
        matches!(self.client, PasswordClient::Digest(_))
    }

    /// Value of `Authorization`.
    pub fn answer(&mut self, user: &str, password: &str, asked: &Asked<'_>) -> Result<String, LoginError> {
        let Asked { method, uri, body } = *asked;
        let params = PasswordParams { username: user, password, uri, method, body };
        let mut answer = self.client.respond(&params).map_err(LoginError::Broken)?;
        // By RFC 2069 the crate names none, and a camera would check it as MD5.
        if let Some(algorithm) = self.algorithm.filter(|_| !answer.contains("algorithm=")) {
            answer.push_str(", algorithm=");
            answer.push_str(algorithm);
        }
        Ok(answer)
    }
}

fn read(mut challenge: ChallengeRef<'_>) -> Result<(usize, Challenge), LoginError> {
    if challenge.scheme.eq_ignore_ascii_case("basic") {
        // Some cameras forget the realm, which says nothing here.
        challenge.params = vec![("realm", ParamValue::new(0, ""))];
        let client = PasswordClient::try_from(&challenge).map_err(LoginError::Broken)?;
        return Ok((ALGORITHMS.len(), Challenge { client, algorithm: None }));
    }
    if !challenge.scheme.eq_ignore_ascii_case("digest") {
        return Err(LoginError::Unknown(challenge.scheme.chars().take(30).collect()));
    }
    let is_algorithm = |key: &str| key.eq_ignore_ascii_case("algorithm");
    let named =
        challenge.params.iter().find(|(key, _)| is_algorithm(key)).map(|(_, value)| value.as_escaped());
    let is_named = named.is_some();
    let named = named.unwrap_or(DEFAULT_ALGORITHM);
    let Some((rank, algorithm)) = ranked(named) else {
        let named: String = named.chars().take(30).collect();
        return Err(LoginError::Unknown(format!("a {named} digest")));
    };
    challenge.params.retain(|(key, _)| !is_algorithm(key));
    // A quality that is named twice, or empty, is none.
    challenge
        .params
        .retain(|(key, value)| !key.eq_ignore_ascii_case("qop") || !value.as_escaped().is_empty());
    challenge.params.push(("algorithm", ParamValue::new(0, algorithm)));
    let client = PasswordClient::try_from(&challenge).map_err(LoginError::Broken)?;
    Ok((rank, Challenge { client, algorithm: is_named.then_some(algorithm) }))
}

/// Place in [`ALGORITHMS`] and spelling; cameras write `md5`, `SHA256`, `sha_256`.
fn ranked(named: &str) -> Option<(usize, &'static str)> {
    let plain = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>()
    };
    ALGORITHMS.into_iter().enumerate().find(|(_, known)| plain(known) == plain(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked { method: "GET", uri: "/dir/index.html", body: None };

    fn answer(lines: &[&str]) -> Result<String, LoginError> {
        Challenge::best(lines.iter().copied())?.answer("Mufasa", "Circle Of Life", &ASKED)
    }

    #[test]
    fn the_best_question_is_answered_however_it_is_put() {
        let md5 = r#"Digest realm="c", nonce="n", qop="auth", algorithm=MD5"#;
        let sha = r#"Digest realm="c", nonce="n", qop="auth", algorithm=SHA-256"#;
        let sha512 = sha.replace("SHA-256", "SHA-512-256");
        for (lines, expected) in [
            (vec![md5], "algorithm=MD5"),
            (vec![&md5.to_lowercase()], "algorithm=MD5"),
            (vec![&sha.to_lowercase()], "algorithm=SHA-256"),
            (vec![r#"DIGEST realm="c",nonce="n",algorithm="sha256",qop="auth-int,auth""#], "qop=auth"),
            (vec!["Basic realm=\"c\"", md5, sha], "algorithm=SHA-256"),
            (vec![sha, md5], "algorithm=SHA-256"),
            (vec![&sha512, md5], "algorithm=MD5"),
            (vec![&sha512, md5, sha], "algorithm=SHA-256"),
            (vec![&sha512, "Basic realm=\"c\""], "algorithm=SHA-512-256"),
            (vec![&format!("Basic realm=\"c\", {md5}")], "algorithm=MD5"),
            (vec![&format!("{md5}, Basic realm=\"c\"")], "algorithm=MD5"),
            (vec![&format!("Bearer, {md5}, {sha}")], "algorithm=SHA-256"),
            (vec![r#"Digest realm="c", nonce="n", algorithm=MD5-sess, qop="auth""#], "algorithm=MD5-sess"),
            (vec![r#"Digest realm="", nonce="n""#], "Digest username=\"Mufasa\", realm=\"\""),
            (vec![r#"Digest realm="c", nonce="n", algorithm=SHA-256"#], "algorithm=SHA-256"),
            (vec!["basic realm=\"c\""], "Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl"),
            (vec!["BASIC realm=\"x\", charset=\"UTF-8\""], "Basic TXVmYXNhOkNpcmNsZSBPZiBMaWZl"),
            (vec![r#"Digest realm="c", nonce="n", algorithm=FOO-1"#, "Basic realm=\"c\""], "Basic "),
        ] {
            let answer = answer(&lines).unwrap();
            assert!(answer.contains(expected), "{lines:?}: {answer}");
        }
    }

    /// RFC 2617, section 3.5.
    #[test]
    fn the_answer_without_quality_is_that_of_the_standard() {
        let asked = r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093""#;
        let answer = answer(&[asked]).unwrap();
        assert!(answer.contains(r#"response="670fd8c2df070c60b045671b8b24ff02""#), "{answer}");
    }

    #[test]
    fn what_cannot_be_answered_is_named() {
        for (lines, expected) in [
            (vec![], "does not say how"),
            (vec![r#"Digest realm="c", nonce="n", algorithm=SHA-3"#], "asks for a SHA-3 digest"),
            (vec!["Negotiate"], "asks for Negotiate"),
            (vec!["Digest realm=\"c\""], "not understood"),
            (vec!["Digest \u{1}"], "cannot be read"),
        ] {
            let error = answer(&lines).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("set"), "{error}");
        }
    }
}
