//! One layer of options over another.

use super::ServeOptions;

impl ServeOptions {
    /// These options, and where they say nothing, those of `below`. A list is taken whole.
    pub(super) fn over(self, below: Self) -> Self {
        fn list<T>(own: Vec<T>, below: Vec<T>) -> Vec<T> {
            if own.is_empty() { below } else { own }
        }
        Self {
            config: self.config.or(below.config),
            model_repository: list(self.model_repository, below.model_repository),
            model_control_mode: self.model_control_mode.or(below.model_control_mode),
            load_model: list(self.load_model, below.load_model),
            repository_poll_secs: self.repository_poll_secs.or(below.repository_poll_secs),
            repository_settle_ms: self.repository_settle_ms.or(below.repository_settle_ms),
            state_dir: self.state_dir.or(below.state_dir),
            require_sha256sums: self.require_sha256sums.or(below.require_sha256sums),
            trusted_keys: self.trusted_keys.or(below.trusted_keys),
            model_key_file: self.model_key_file.or(below.model_key_file),
            model_key_env: self.model_key_env.or(below.model_key_env),
            model_key_command: self.model_key_command.or(below.model_key_command),
            strict_model_config: self.strict_model_config.or(below.strict_model_config),
            model_load_thread_count: self.model_load_thread_count.or(below.model_load_thread_count),
            load_priority: self.load_priority.or(below.load_priority),
            cores: self.cores.or(below.cores),
            require_gpu: self.require_gpu.or(below.require_gpu),
            http_address: self.http_address.or(below.http_address),
            http_port: self.http_port.or(below.http_port),
            grpc_address: self.grpc_address.or(below.grpc_address),
            grpc_port: self.grpc_port.or(below.grpc_port),
            metrics_address: self.metrics_address.or(below.metrics_address),
            metrics_port: self.metrics_port.or(below.metrics_port),
            admin_address: self.admin_address.or(below.admin_address),
            admin_port: self.admin_port.or(below.admin_port),
            admin_token_file: self.admin_token_file.or(below.admin_token_file),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            tls_client_ca: self.tls_client_ca.or(below.tls_client_ca),
            tls_client_auth: self.tls_client_auth.or(below.tls_client_auth),
            access_file: self.access_file.or(below.access_file),
            insecure: self.insecure.or(below.insecure),
            exit_timeout_secs: self.exit_timeout_secs.or(below.exit_timeout_secs),
            shutdown_grace_secs: self.shutdown_grace_secs.or(below.shutdown_grace_secs),
            log_format: self.log_format.or(below.log_format),
            log_level: self.log_level.or(below.log_level),
            log_verbose: self.log_verbose.or(below.log_verbose),
            audit_log: self.audit_log.or(below.audit_log),
            trace_file: self.trace_file.or(below.trace_file),
            max_request_bytes: self.max_request_bytes.or(below.max_request_bytes),
            max_expansion: self.max_expansion.or(below.max_expansion),
            max_inflight_bytes: self.max_inflight_bytes.or(below.max_inflight_bytes),
            max_request_tensors: self.max_request_tensors.or(below.max_request_tensors),
            max_tensor_elements: self.max_tensor_elements.or(below.max_tensor_elements),
            max_requests: self.max_requests.or(below.max_requests),
            max_stream_requests: self.max_stream_requests.or(below.max_stream_requests),
            max_connections: self.max_connections.or(below.max_connections),
            max_connection_streams: self.max_connection_streams.or(below.max_connection_streams),
            max_connection_resets: self.max_connection_resets.or(below.max_connection_resets),
            max_handshakes: self.max_handshakes.or(below.max_handshakes),
            handshake_timeout_secs: self.handshake_timeout_secs.or(below.handshake_timeout_secs),
            header_timeout_secs: self.header_timeout_secs.or(below.header_timeout_secs),
            body_timeout_secs: self.body_timeout_secs.or(below.body_timeout_secs),
        }
    }
}
