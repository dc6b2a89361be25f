//! What each RPC does, for the policy. One that is not here takes an administrator, until somebody says what it is.

use girandole_access::Action;

/// What a call of this path does.
pub(super) fn of(path: &str) -> Action {
    let Some((service, rpc)) = path.trim_start_matches('/').split_once('/') else {
        return Action::Administer;
    };
    match (service, rpc) {
        ("grpc.health.v1.Health", _) | (super::SERVICE, "ServerLive" | "ServerReady") => Action::Probe,
        ("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _) => {
            Action::Describe
        }
        (super::SERVICE, "ModelInfer" | "ModelStreamInfer") => Action::Infer,
        (super::SERVICE, "ServerMetadata" | "ModelReady" | "ModelMetadata" | "ModelConfig") => {
            Action::Describe
        }
        (super::SERVICE, "ModelStatistics" | "RepositoryIndex") => Action::Observe,
        // They read and write by one RPC, told apart by what is in the message.
        (super::SERVICE, "TraceSetting" | "LogSettings") => Action::Administer,
        _ => Action::Administer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_takes_an_administrator() {
        let of = |rpc: &str| of(&format!("/inference.GRPCInferenceService/{rpc}"));
        assert_eq!(of("ModelInfer"), Action::Infer);
        assert_eq!(of("ServerLive"), Action::Probe);
        assert_eq!(of("RepositoryModelLoad"), Action::Administer);
        assert_eq!(of("SystemSharedMemoryRegister"), Action::Administer);
        assert_eq!(super::of("/other.Service/ModelInfer"), Action::Administer);
        assert_eq!(super::of("ModelInfer"), Action::Administer);
    }
}
