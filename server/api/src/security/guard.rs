//! The policy in force: who a request is from, and whether that one may do what it asks.
//!
//! Invariants: without a policy everybody may do everything that the listeners offer; with one, what no rule allows is
//! refused, and a file that is not whole changes nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use girandole_access::{Action, Admitted, Caller, Credentials, Policy};
use girandole_core::{Error, ErrorCode, Result};
use http::{Extensions, HeaderMap, HeaderName, header};

use super::follow::follow;

/// Where a key may be given besides Authorization.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Longest of the files.
const MAX_FILE: u64 = 1 << 20;

/// The names of the client's certificate, as an extension of its requests.
#[derive(Clone, Debug)]
pub(crate) struct ClientNames(pub(crate) Arc<[String]>);

/// See the module; clones share it.
#[derive(Clone, Default)]
pub struct Guard(Option<Arc<Shared>>);

struct Shared {
    file: PathBuf,
    policy: ArcSwap<Policy>,
    /// The texts that `policy` was made of, or that were last found wanting.
    seen: Mutex<String>,
}

impl Guard {
    /// Lets everybody do everything.
    pub fn open() -> Self {
        Self::default()
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// `InvalidArgument` with every mistake in it.
    pub fn load(file: &Path) -> Result<Self> {
        let (texts, policy) = read(file);
        let (policy, seen, file) = (ArcSwap::from_pointee(policy?), Mutex::new(texts), file.to_owned());
        Ok(Self(Some(Arc::new(Shared { file, policy, seen }))))
    }

    /// Whether there is no policy.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Who a request is from; `None` where there is no policy.
    ///
    /// # Errors
    /// `Unauthenticated` for a credential that is not in order.
    pub(crate) fn caller(&self, headers: &HeaderMap, extensions: &Extensions) -> Result<Option<Caller>> {
        let Some(shared) = &self.0 else { return Ok(None) };
        let credentials = Credentials {
            authorization: single(headers, &header::AUTHORIZATION)?,
            api_key: single(headers, &API_KEY)?,
            certificate: extensions.get::<ClientNames>().map(|names| &*names.0),
        };
        shared.policy.load().caller(&credentials).map(Some)
    }

    /// Whether a caller may do something to a model, where the way here could not tell which.
    ///
    /// # Errors
    /// As [`Caller::may`]; `Internal` where nobody was asked who this is.
    pub(crate) fn permits(&self, caller: Option<&Caller>, action: Action, model: &str) -> Result<()> {
        match caller {
            Some(caller) => caller.may(action, Some(model)),
            None if self.is_open() => Ok(()),
            None => Err(Error::internal("the request came past the policy")),
        }
    }

    /// Lets a request to a model in by all quotas that there are.
    ///
    /// # Errors
    /// As [`Policy::admit`].
    pub(crate) fn admit(&self, caller: Option<&Caller>, model: &str) -> Result<Option<Admitted>> {
        let policy = self.0.as_ref().map(|shared| shared.policy.load());
        policy.zip(caller).map(|(policy, caller)| policy.admit(caller, model)).transpose()
    }

    /// Takes over the files where they changed; true if they did.
    ///
    /// # Errors
    /// As [`Self::load`]; the policy in force stays.
    pub fn refresh(&self) -> Result<bool> {
        let Some(shared) = &self.0 else { return Ok(false) };
        let (texts, policy) = read(&shared.file);
        let mut seen = shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == texts {
            return Ok(false);
        }
        *seen = texts;
        shared.policy.store(Arc::new(policy?));
        Ok(true)
    }

    /// Looks at the files every so often, for ever.
    pub(crate) async fn follow(self, every: Duration) {
        follow("the access policy", every, move || self.refresh()).await;
    }
}

/// What a caller sees of many models' lines: those of the models that it may observe.
pub(crate) fn visible<T>(lines: Vec<T>, caller: Option<&Caller>, model: impl Fn(&T) -> &str) -> Vec<T> {
    let Some(caller) = caller else { return lines };
    lines.into_iter().filter(|line| caller.may(Action::Observe, Some(model(line))).is_ok()).collect()
}

/// The texts of the policy's files, one after another, and what they say.
fn read(file: &Path) -> (String, Result<Policy>) {
    let text = match read_one(file) {
        Ok(text) => text,
        Err(what) => return (String::new(), Err(Error::invalid(format!("the access file {what}")))),
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let texts = Mutex::new(text.clone());
    let policy = Policy::parse(&text, &|name| {
        let text = read_one(&folder.join(name))?;
        texts.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        Ok(text)
    });
    let policy = policy.map_err(|error| error.context("the access file"));
    (texts.into_inner().unwrap_or_else(PoisonError::into_inner), policy)
}

fn read_one(file: &Path) -> Result<String, String> {
    let length = fs::metadata(file).map_err(|error| format!("cannot be read: {}", error.kind()))?.len();
    if length > MAX_FILE {
        return Err(format!("has {length} bytes, expected at most {MAX_FILE}"));
    }
    fs::read_to_string(file).map_err(|error| format!("cannot be read: {}", error.kind()))
}

/// The one value of a header. Two might be read differently by whoever stands before the server.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let refused = |what: &str| Err(Error::new(ErrorCode::Unauthenticated, format!("{name}: {what}")));
    let mut values = headers.get_all(name).iter();
    match (values.next().map(http::HeaderValue::to_str), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(Ok(_)), Some(_)) => refused("must be there once"),
        (Some(Err(_)), _) => refused("must be ASCII"),
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn policy(roles: &str) -> (String, String) {
        let (key, digest) = girandole_access::new_key([1; 32]);
        (key, format!("[[key]]\nname = 'app'\nsha256 = '{digest}'\nroles = ['{roles}']\n"))
    }

    fn headers(key: &str) -> HeaderMap {
        [(API_KEY, HeaderValue::from_str(key).unwrap())].into_iter().collect()
    }

    #[test]
    fn changed_files_are_taken_over_and_bad_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.toml");
        let (key, text) = policy("infer");
        fs::write(&file, &text).unwrap();
        let guard = Guard::load(&file).unwrap();
        let may = |action| {
            let caller = guard.caller(&headers(&key), &Extensions::new()).unwrap();
            guard.permits(caller.as_ref(), action, "m").is_ok()
        };
        assert_eq!(guard.refresh(), Ok(false));
        assert!(may(Action::Infer) && !may(Action::Administer));
        fs::write(&file, "[[key]]\nname = 'app'\n").unwrap();
        assert!(guard.refresh().is_err());
        assert_eq!(guard.refresh(), Ok(false), "the same bad files are reported once");
        assert!(may(Action::Infer));
        fs::write(&file, policy("admin").1).unwrap();
        assert_eq!(guard.refresh(), Ok(true));
        assert!(may(Action::Administer));
    }

    #[test]
    fn who_was_not_asked_may_nothing_where_there_is_a_policy() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.toml");
        fs::write(&file, policy("infer").1).unwrap();
        let guard = Guard::load(&file).unwrap();
        assert_eq!(guard.permits(None, Action::Describe, "m").unwrap_err().code(), ErrorCode::Internal);
        assert_eq!(Guard::open().permits(None, Action::Administer, "m"), Ok(()));
    }

    #[test]
    fn a_header_given_twice_is_refused() {
        let mut twice = headers("a");
        twice.append(API_KEY, HeaderValue::from_static("b"));
        assert_eq!(single(&twice, &API_KEY).unwrap_err().code(), ErrorCode::Unauthenticated);
        assert_eq!(single(&headers("a"), &API_KEY), Ok(Some("a")));
        assert_eq!(single(&HeaderMap::new(), &API_KEY), Ok(None));
    }
}
