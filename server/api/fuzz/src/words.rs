//! The words of each language, and numbers at the ends of what types hold.

use crate::text::Words;

/// Of the protocol's JSON.
pub const JSON: Words = r#"
    "id" "inputs" "outputs" "parameters" "name" "datatype" "shape" "data" "binary_data" "binary_data_size"
    "binary_data_output" "classification" "priority" "timeout" "sequence_id" "BOOL" "UINT8" "INT64" "UINT64" "FP16"
    "BF16" "FP32" "FP64" "BYTES" "\u0000" "\ud800" "😀" NaN -Infinity Inf null true false {} [] [[]] 1e308 1e-400
    -0.0 65504 3.4028236e38 0.1
"#;

/// Of `config.pbtxt`.
pub const CONFIG: Words = r#"
    max_batch_size input output name data_type dims reshape shape optional label_filename instance_group count kind
    KIND_CPU KIND_GPU gpus dynamic_batching preferred_batch_size max_queue_delay_microseconds default_queue_policy
    priority_queue_policy priority_levels default_priority_level max_queue_size timeout_action model_warmup inputs
    zero_data random_data input_data_file version_policy specific latest all parameters key value string_value
    optimization cuda graphs TYPE_FP32 TYPE_STRING TYPE_INT64 TYPE_BOOL -1 nan inf 0x7f {} [] <>
"#;

/// Of `traffic.toml`, the access file and the server's configuration.
pub const TOML: Words = r#"
    labels rules split shadow rollout weights sticky salt header parameter equals prefix in to percent tolerance
    steps key certificate issuer anonymous grant claims roles models limits requests_per_second burst concurrent
    sha256 identity jwks audience "infer" "admin" "observe" "*" "[a-" "{a,b}" nan inf -inf 1e300 {} [] [[ ]]
    1979-05-27 ''' model_repository model_control_mode load_model http_address http_port grpc_address grpc_port
    admin_address admin_token_file tls_cert tls_key tls_client_ca tls_client_auth access_file insecure exit_timeout_secs
    shutdown_grace_secs log_level log_verbose log_format max_request_bytes max_request_tensors body_timeout_secs cores
    model_key_env model_key_command require_gpu "explicit" "0.0.0.0" "::1" "off" "girandole=debug" "[a{b=c}]=info"
"#;

/// Numbers.
pub(crate) const NUMBERS: Words = r#"
    0 1 -1 2 127 128 255 256 32768 65536 2147483647 4294967296 4611686018427387904 9223372036854775807
    -9223372036854775808 18446744073709551615 18446744073709551616 1e19 0.5
"#;
