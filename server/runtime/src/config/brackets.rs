//! The text format lets a list of messages stand without a colon (`input [ { ... } ]`), as nearly every
//! `config.pbtxt` has it, but the parser asks for one. This puts it in; lines stay where they are.

/// The same text with a colon between a field's name and the list that follows it.
pub(super) fn with_colons(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut scanner = Scanner { rest: text, after_name: false };
    while let Some(token) = scanner.next_token() {
        if token.kind == Kind::ListStart && token.follows_name {
            out.push(':');
        }
        out.push_str(token.text);
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space or a comment, which may stand between a name and its list.
    Gap,
    Name,
    ListStart,
    Other,
}

struct Token<'a> {
    kind: Kind,
    text: &'a str,
    follows_name: bool,
}

struct Scanner<'a> {
    rest: &'a str,
    after_name: bool,
}

impl<'a> Scanner<'a> {
    fn next_token(&mut self) -> Option<Token<'a>> {
        let first = self.rest.chars().next()?;
        let (kind, len) = match first {
            '#' => (Kind::Gap, self.rest.find('\n').unwrap_or(self.rest.len())),
            '"' | '\'' => (Kind::Other, string_len(self.rest, first)),
            '[' => (Kind::ListStart, 1),
            c if c.is_whitespace() => (Kind::Gap, span(self.rest, char::is_whitespace)),
            c if c.is_ascii_alphabetic() || c == '_' => {
                (Kind::Name, span(self.rest, |c| c.is_ascii_alphanumeric() || c == '_'))
            }
            c => (Kind::Other, c.len_utf8()),
        };
        let (text, rest) = self.rest.split_at(len);
        let follows_name = self.after_name;
        self.rest = rest;
        match kind {
            Kind::Gap => {}
            Kind::Name => self.after_name = true,
            Kind::ListStart | Kind::Other => self.after_name = false,
        }
        Some(Token { kind, text, follows_name })
    }
}

fn span(text: &str, within: impl Fn(char) -> bool) -> usize {
    text.find(|c| !within(c)).unwrap_or(text.len())
}

/// The length of the quoted string that `text` starts with, or of all of it where it does not end.
fn string_len(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lists_that_follow_a_name_get_a_colon() {
        let cases = [
            ("input [ { } ]", "input :[ { } ]"),
            ("dims: [ 1 ]", "dims: [ 1 ]"),
            ("input # all [\n[]", "input # all [\n:[]"),
            (r#"name: "a [ b" input[{}]"#, r#"name: "a [ b" input:[{}]"#),
            (r#"name: "\"a [" x: 1"#, r#"name: "\"a [" x: 1"#),
            ("é 'open [", "é 'open ["),
        ];
        for (text, expected) in cases {
            assert_eq!(with_colons(text), expected);
        }
    }
}
