//! Several errors at once: one try shows an installer everything that is wrong.

use std::error::Error;
use std::fmt;

/// Any error.
pub type Problem = Box<dyn Error + Send + Sync>;

/// Everything that was found wrong.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn one(problem: impl Into<Problem>) -> Self {
        Self(vec![problem.into()])
    }

    pub fn push(&mut self, problem: impl Into<Problem>) {
        self.0.push(problem.into());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `value`, or the problems if there are any.
    pub fn or_ok<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }

    /// One line a problem, each with its causes.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|problem| {
            let causes =
                std::iter::successors(problem.source(), |cause: &&(dyn Error + 'static)| (*cause).source());
            causes.fold(problem.to_string(), |text, cause| format!("{text}: {cause}"))
        })
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().collect::<Vec<_>>().join("; "))
    }
}

impl Error for Problems {}

impl<E: Into<Problem>> FromIterator<E> for Problems {
    fn from_iter<I: IntoIterator<Item = E>>(errors: I) -> Self {
        Self(errors.into_iter().map(Into::into).collect())
    }
}

impl<E: Into<Problem>> Extend<E> for Problems {
    fn extend<I: IntoIterator<Item = E>>(&mut self, errors: I) {
        self.0.extend(errors.into_iter().map(Into::into));
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_one_text_with_its_causes() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let mut problems = Problems::one(anyhow::Error::new(io).context("cannot read a.jpg"));
        problems.push("the folder is empty");
        let texts: Vec<String> = problems.texts().collect();
        assert_eq!(texts, ["cannot read a.jpg: no such file", "the folder is empty"]);
        assert_eq!(problems.to_string(), "cannot read a.jpg: no such file; the folder is empty");
        assert!(problems.or_ok(()).is_err() && Problems::default().or_ok(()).is_ok());
    }
}
