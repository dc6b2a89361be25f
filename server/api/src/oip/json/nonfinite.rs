//! `NaN`, `Infinity` and `-Infinity` are no JSON, yet Triton and Python write and read them. A body with
//! such tokens is rewritten once, each token quoted; floating-point elements accept the quoted form.

/// The tokens, the longer before its own prefix.
const TOKENS: [&[u8]; 6] = [b"NaN", b"Infinity", b"-Infinity", b"Inf", b"-Inf", b"-NaN"];

/// The body with every bare token in quotes, or `None` where it has none.
pub(super) fn quote(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(&byte) = body.get(at) {
        if byte == b'"' {
            at = string_end(body, at);
            continue;
        }
        let Some(token) = token_at(body, at) else {
            at += 1;
            continue;
        };
        out.extend_from_slice(body.get(copied..at)?);
        out.push(b'"');
        out.extend_from_slice(token);
        out.push(b'"');
        at += token.len();
        copied = at;
    }
    out.extend_from_slice(body.get(copied..)?);
    (copied > 0).then_some(out)
}

/// The value of a token.
pub(super) fn value(text: &str) -> Option<f64> {
    match text {
        "NaN" | "-NaN" => Some(f64::NAN),
        "Infinity" | "Inf" => Some(f64::INFINITY),
        "-Infinity" | "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn token_at(body: &[u8], at: usize) -> Option<&'static [u8]> {
    let rest = body.get(at..)?;
    TOKENS.into_iter().find(|token| rest.starts_with(token))
}

/// The index after the string that starts at `at`.
fn string_end(body: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_tokens_are_quoted_and_strings_left_alone() {
        let quoted = quote(br#"{"NaN":[NaN,-Infinity,Inf,1,"a\"NaN"]}"#).unwrap();
        assert_eq!(quoted, br#"{"NaN":["NaN","-Infinity","Inf",1,"a\"NaN"]}"#);
    }

    #[test]
    fn a_body_without_tokens_stays() {
        assert_eq!(quote(br#"{"a":[1,"NaN"]}"#), None);
        assert_eq!(quote(br#""\"#), None);
    }
}
