//! SQL as words: the tokens of a value, read as if it stood in a statement.
//!
//! **Invariant:** at most [`TOKENS_MAX`] tokens; comments are spaces, and conditional
//! comments are what stands in them.

/// How many tokens of a value are read.
pub const TOKENS_MAX: usize = 96;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A number.
    Number,
    /// A string, closed or not.
    Text,
    /// A word that SQL does not reserve.
    Name(&'a [u8]),
    /// A word that SQL reserves.
    Word(&'a [u8]),
    /// A word with an opening parenthesis right behind it that is a function of a database.
    Function(&'a [u8]),
    /// `@@version`, `@x`.
    Variable,
    /// `or`, `and`, `xor`, `||`, `&&`.
    Logic,
    /// `=`, `<>`, `like`, `in`, `between`, `rlike`, …
    Comparison,
    /// `+`, `-`, `*`, `/`, …
    Operator(u8),
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// `,`.
    Comma,
    /// `;`.
    End,
    /// A comment that runs to the end; true: with nothing but a few letters in it.
    Comment(bool),
}

const RESERVED: &[&[u8]] = &[
    b"union",
    b"select",
    b"all",
    b"distinct",
    b"from",
    b"where",
    b"having",
    b"group",
    b"order",
    b"by",
    b"limit",
    b"into",
    b"outfile",
    b"dumpfile",
    b"insert",
    b"update",
    b"delete",
    b"drop",
    b"table",
    b"database",
    b"schema",
    b"set",
    b"values",
    b"exec",
    b"execute",
    b"declare",
    b"waitfor",
    b"delay",
    b"alter",
    b"create",
    b"truncate",
    b"shutdown",
    b"null",
    b"case",
    b"when",
    b"procedure",
    b"offset",
    b"grant",
    b"merge",
    b"handler",
    b"xp_cmdshell",
];

const FUNCTIONS: &[&[u8]] = &[
    b"sleep",
    b"benchmark",
    b"pg_sleep",
    b"extractvalue",
    b"updatexml",
    b"load_file",
    b"char",
    b"chr",
    b"concat",
    b"concat_ws",
    b"group_concat",
    b"database",
    b"user",
    b"version",
    b"count",
    b"substring",
    b"substr",
    b"mid",
    b"ascii",
    b"ord",
    b"length",
    b"hex",
    b"unhex",
    b"cast",
    b"convert",
    b"if",
    b"ifnull",
    b"floor",
    b"rand",
    b"md5",
    b"sha1",
    b"randomblob",
    b"utl_inaddr",
    b"isnull",
    b"bin",
    b"dbms_pipe.receive_message",
    b"system_user",
    b"session_user",
    b"current_user",
    b"schema",
    b"exp",
    b"make_set",
    b"elt",
    b"row",
    b"json_keys",
    b"iif",
    b"upper",
    b"lower",
    b"load_extension",
    b"left",
    b"right",
];

/// Reads a decoded value in small letters.
pub(crate) fn tokens<'a>(value: &'a [u8], into: &mut Vec<Token<'a>>) {
    into.clear();
    let mut left = value;
    while into.len() < TOKENS_MAX {
        left = left.trim_ascii_start();
        let Some(&byte) = left.first() else { break };
        let next = left.get(1).copied().unwrap_or(0);
        let (token, n_read) = match byte {
            b'\'' | b'"' => (Some(Token::Text), string_len(left, byte)),
            b'`' => (Some(Token::Name(b"`")), string_len(left, byte)),
            b'0'..=b'9' => number(left),
            b'.' if next.is_ascii_digit() => number(left),
            b'a'..=b'z' | b'_' | 0x80.. => word(left),
            b'@' => (Some(Token::Variable), 1 + name_len(left.get(1..).unwrap_or_default())),
            b'#' => (Some(Token::Comment(is_short(left, 1))), left.len()),
            b'-' if next == b'-' => (Some(Token::Comment(is_short(left, 2))), left.len()),
            b'/' if next == b'*' => comment(left),
            b'*' if next == b'/' => (None, 2),
            b'|' | b'&' if next == byte => (Some(Token::Logic), 2),
            b'=' | b'<' | b'>' | b'!' => {
                let is_part = |byte: &&u8| matches!(byte, b'=' | b'<' | b'>' | b'!');
                let n_read = left.iter().take_while(is_part).count();
                let is_negation = n_read == 1 && byte == b'!';
                (Some(if is_negation { Token::Operator(byte) } else { Token::Comparison }), n_read)
            }
            b'(' => (Some(Token::Open), 1),
            b')' => (Some(Token::Close), 1),
            b',' => (Some(Token::Comma), 1),
            b';' => (Some(Token::End), 1),
            _ => (Some(Token::Operator(byte)), 1),
        };
        into.extend(token);
        left = left.get(n_read.max(1)..).unwrap_or_default();
    }
}

/// A number, also hexadecimal and with an exponent.
fn number(left: &[u8]) -> (Option<Token<'_>>, usize) {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
    let n_read = left.iter().take_while(is_part).count();
    let whole = left.get(..n_read).unwrap_or_default();
    let is_number = whole.starts_with(b"0x")
        || whole.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e'));
    if is_number {
        return (Some(Token::Number), n_read);
    }
    // `1or 1=1`: a number ends where its digits end.
    let n_digits = left.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = left.get(n_digits..n_read).unwrap_or_default();
    if matches!(behind, b"or" | b"and" | b"union") {
        return (Some(Token::Number), n_digits);
    }
    (Some(Token::Name(whole)), n_read)
}

/// A name, a reserved word, an operator in letters or a function.
fn word(left: &[u8]) -> (Option<Token<'_>>, usize) {
    let n_read = name_len(left);
    let name = left.get(..n_read).unwrap_or_default();
    let behind = left.get(n_read..).unwrap_or_default().trim_ascii_start();
    let token = match name {
        b"or" | b"and" | b"xor" => Token::Logic,
        b"like" | b"rlike" | b"regexp" | b"ilike" | b"in" | b"between" | b"is" | b"glob"
        | b"sounds" => Token::Comparison,
        b"div" | b"mod" | b"not" | b"binary" => Token::Operator(b'+'),
        _ if behind.first() == Some(&b'(') && FUNCTIONS.contains(&name) => Token::Function(name),
        _ if RESERVED.contains(&name) => Token::Word(name),
        _ => Token::Name(name),
    };
    (Some(token), n_read)
}

fn name_len(left: &[u8]) -> usize {
    let is_part = |byte: &&u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'@' | 0x80..)
    };
    left.iter().take_while(is_part).count()
}

/// The length of a string with its quotes; an open one runs to the end.
fn string_len(left: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = left.get(at) {
        if byte == b'\\' {
            at += 1;
        } else if byte == quote {
            if left.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    left.len()
}

/// A comment between `/*` and `*/`, which is a space; of `/*!50000union*/` only the mark is one.
fn comment(left: &[u8]) -> (Option<Token<'_>>, usize) {
    if left.get(2) == Some(&b'!') {
        let behind = left.get(3..).unwrap_or_default();
        return (None, 3 + behind.iter().take_while(|byte| byte.is_ascii_digit()).count());
    }
    match memchr::memmem::find(left.get(2..).unwrap_or_default(), b"*/") {
        Some(at) => (None, at + 4),
        None => (Some(Token::Comment(is_short(left, 2))), left.len()),
    }
}

/// Whether a comment holds next to nothing: it is there to cut off what follows it.
fn is_short(left: &[u8], from: usize) -> bool {
    left.get(from..).unwrap_or_default().trim_ascii().len() <= 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> String {
        let mut into = Vec::new();
        tokens(value.as_bytes(), &mut into);
        let letter = |token: &Token<'_>| match token {
            Token::Number => '1',
            Token::Text => 's',
            Token::Name(_) => 'n',
            Token::Word(_) => 'k',
            Token::Function(_) => 'f',
            Token::Variable => 'v',
            Token::Logic => '&',
            Token::Comparison => '=',
            Token::Operator(_) => 'o',
            Token::Open => '(',
            Token::Close => ')',
            Token::Comma => ',',
            Token::End => ';',
            Token::Comment(_) => 'c',
        };
        into.iter().map(letter).collect()
    }

    #[test]
    fn a_value_is_read_as_sql() {
        let rows = [
            ("1 or 1=1", "1&1=1"),
            ("1or 1=1--", "1&1=1c"),
            ("'a' = \"b\"", "s=s"),
            ("union/**/all select null,@@version", "kkkk,v"),
            ("/*!50000union*/ select 1", "kk1"),
            ("sleep(5) # x", "f(1)c"),
            ("0x61 like 'it''s'", "1=s"),
            ("", ""),
        ];
        for (value, expected) in rows {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn no_more_than_the_limit_is_read() {
        assert_eq!(read(&"1,".repeat(500)).len(), TOKENS_MAX);
    }

    proptest! {
        #[test]
        fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..80)) {
            tokens(&value, &mut Vec::new());
        }
    }
}
