//! Somebody who showed a credential, or nobody in particular.

use std::sync::Arc;

use girandole_core::{Error, ErrorCode, Result};

use crate::{
    Action,
    grant::Grant,
    quota::{Quota, Turn},
};

/// Who asks, and what that one may do.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `None` for one without a credential.
    pub(crate) name: Option<Arc<str>>,
    pub(crate) grants: Arc<[Grant]>,
    pub(crate) quota: Option<Arc<Quota>>,
}

/// What a caller without a name is called.
const ANONYMOUS: &str = "anonymous";

impl Caller {
    /// The name, for logs and quotas.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(ANONYMOUS)
    }

    /// Whether an action is allowed, on a model where there is one.
    ///
    /// # Errors
    /// `PermissionDenied` with what is allowed; `Unauthenticated` for one who showed no credential. Both say nothing
    /// of whether there is such a model.
    pub fn may(&self, action: Action, model: Option<&str>) -> Result<()> {
        if action == Action::Probe || self.grants.iter().any(|grant| grant.allows(action, model)) {
            return Ok(());
        }
        let (wanted, name) = (action.as_str(), self.name());
        let on = model.map(|model| format!(" on model '{}'", clip(model))).unwrap_or_default();
        Err(match self.name {
            None => Error::new(
                ErrorCode::Unauthenticated,
                format!("to {wanted}{on} takes an API key, a token or a client certificate"),
            ),
            Some(_) if self.grants.is_empty() => {
                Error::new(ErrorCode::PermissionDenied, format!("'{name}' may do nothing here"))
            }
            Some(_) => {
                let allowed: Vec<_> = self.grants.iter().map(ToString::to_string).collect();
                let message = format!("'{name}' may not {wanted}{on}; allowed is {}", allowed.join("; "));
                Error::new(ErrorCode::PermissionDenied, message)
            }
        })
    }

    /// Takes a turn of the caller's quota, where it has one.
    ///
    /// # Errors
    /// `Overloaded` with when to try again.
    pub(crate) fn admit(&self) -> Result<Option<Turn>> {
        self.quota.as_ref().map(|quota| quota.admit(self.name())).transpose()
    }
}

/// A caller's text, short enough for a message.
fn clip(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn refusals_say_what_is_allowed_and_not_what_is_there() {
        let grant = Grant {
            roles: vec![Role::Infer],
            models: crate::grant::Models::parse(vec!["a*".into()]).unwrap(),
        };
        let known = Caller { name: Some("app".into()), grants: Arc::new([grant]), quota: None };
        assert_eq!(known.may(Action::Infer, Some("abc")), Ok(()));
        let refused = known.may(Action::Infer, Some("b")).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::PermissionDenied);
        assert_eq!(refused.message(), "'app' may not infer on model 'b'; allowed is infer on a*");
        let nobody = Caller { name: None, grants: Arc::new([]), quota: None };
        assert_eq!(nobody.may(Action::Infer, Some("b")).unwrap_err().code(), ErrorCode::Unauthenticated);
        assert_eq!(nobody.may(Action::Probe, None), Ok(()));
        let stranger = Caller { name: Some("x".into()), ..nobody };
        assert_eq!(stranger.may(Action::Describe, None).unwrap_err().code(), ErrorCode::PermissionDenied);
    }
}
