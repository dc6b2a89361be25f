//! Rules that come before the split: a request that matches goes to the rule's target.

use std::{collections::BTreeSet, sync::Arc};

use girandole_core::InferRequest;

use super::{Source, Target};

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for people.
    pub name: Arc<str>,
    /// Where it looks.
    pub source: Source,
    /// What must be there.
    pub matches: Match,
    /// Where the requests go.
    pub to: Target,
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// This text.
    Equals(String),
    /// A text that begins so.
    Prefix(String),
    /// One of these.
    In(BTreeSet<String>),
}

impl Rule {
    /// Whether a request is its.
    pub fn takes(&self, request: &InferRequest) -> bool {
        self.source.value(request).is_some_and(|value| self.matches.holds(&value))
    }
}

impl Match {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equals(wanted) => value == wanted,
            Self::Prefix(wanted) => value.starts_with(wanted),
            Self::In(wanted) => wanted.contains(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use girandole_core::{Headers, Parameter};

    use super::*;

    #[derive(Debug)]
    struct Tester(&'static str);

    impl Headers for Tester {
        fn get(&self, name: &str) -> Option<&str> {
            (name == "x-tester").then_some(self.0)
        }
    }

    fn takes(source: Source, matches: Match, request: &InferRequest) -> bool {
        Rule { name: "r".into(), source, matches, to: Target::Version(1) }.takes(request)
    }

    #[test]
    fn headers_and_parameters_are_matched() {
        let request = InferRequest {
            headers: Some(Arc::new(Tester("north-7"))),
            parameters: [("tenant".to_owned(), Parameter::I64(42))].into(),
            ..InferRequest::default()
        };
        let header = || Source::header("X-Tester");
        let tenant = || Source::Parameter("tenant".to_owned());
        for (source, matches, expected) in [
            (header(), Match::Equals("north-7".into()), true),
            (header(), Match::Equals("north".into()), false),
            (header(), Match::Prefix("north".into()), true),
            (header(), Match::Prefix("south".into()), false),
            (header(), Match::In(["a".into(), "north-7".into()].into()), true),
            (header(), Match::In(["a".into()].into()), false),
            (tenant(), Match::Equals("42".into()), true),
            (Source::Parameter("other".into()), Match::Prefix(String::new()), false),
            (Source::header("other"), Match::Prefix(String::new()), false),
        ] {
            assert_eq!(takes(source.clone(), matches.clone(), &request), expected, "{source} {matches:?}");
        }
        assert!(!takes(header(), Match::Prefix(String::new()), &InferRequest::default()));
    }
}
