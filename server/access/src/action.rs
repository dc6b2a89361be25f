//! What can be asked of the server, and the roles that allow it.

use serde::Deserialize;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Asks whether the server lives or is ready: open to everybody, as probes have no credentials.
    Probe,
    /// Runs a model.
    Infer,
    /// Asks what a model takes and gives, and whether it is ready.
    Describe,
    /// Looks at what the server does: index, statistics, traffic, settings.
    Observe,
    /// Changes what the server does: loads, unloads, traffic, rollouts, settings.
    Administer,
}

/// What a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs models.
    Infer,
    /// Watches.
    Observe,
    /// Everything.
    Admin,
}

impl Role {
    /// Whether it allows an action.
    pub const fn allows(self, action: Action) -> bool {
        match action {
            Action::Probe => true,
            Action::Infer => matches!(self, Self::Infer | Self::Admin),
            Action::Describe => true,
            Action::Observe => matches!(self, Self::Observe | Self::Admin),
            Action::Administer => matches!(self, Self::Admin),
        }
    }

    /// What the file calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Observe => "observe",
            Self::Admin => "admin",
        }
    }
}

impl Action {
    /// What the caller wants, for messages: "may not ...".
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Infer => "infer",
            Self::Describe => "ask about models",
            Self::Observe => "observe",
            Self::Administer => "administer",
        }
    }
}
