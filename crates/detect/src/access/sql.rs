//! Whether a value carries SQL: a judgement of its structure, as libinjection does it.
//!
//! The value is read three times: as it stands (it would be put where a number is), and as the
//! inside of a string in single and in double quotes, from the first quote on.  Words alone are
//! never enough: "select shoes from our union collection" has no structure that SQL would read.

use crate::access::sql_words::{Token, tokens};
use crate::signs::scan::{has, rest};

/// What a certain structure weighs: alone enough (the critical score of the OWASP Core Rule Set).
pub(crate) const CERTAIN: u32 = 5;
const LIKELY: u32 = 3;

/// Tables about tables, which only an intruder has to ask.
const CATALOGUES: &[&[u8]] = &[
    b"information_schema",
    b"sqlite_master",
    b"sysobjects",
    b"pg_catalog",
    b"mysql.user",
    b"all_tables",
    b"syscolumns",
    b"pg_shadow",
    b"v$version",
];

/// How much a decoded value in small letters looks like SQL that was put in.
pub(crate) fn score(value: &[u8]) -> u32 {
    let mut read = Vec::new();
    tokens(value, &mut read);
    let mut most = score_statement(&read).max(score_number(&read));
    for quote in [b'\'', b'"'] {
        if let Some(at) = memchr::memchr(quote, value) {
            tokens(rest(value, at + 1), &mut read);
            most = most.max(score_broken(&read)).max(score_statement(&read));
        }
    }
    if most > 0 && (CATALOGUES.iter().any(|name| has(value, name)) || has(value, b"/**/")) {
        most += LIKELY;
    }
    most
}

/// After a quote that ends the string in which the value is put.
fn score_broken(read: &[Token<'_>]) -> u32 {
    let read = without(read, &[Token::Close]);
    match read {
        // admin'--
        [Token::Comment(true)] | [Token::End, Token::Comment(true)] => CERTAIN,
        // '=' and ' like '%
        [Token::Comparison, Token::Text] => CERTAIN,
        [Token::Comparison, Token::Text, ..] => 0,
        [Token::End, behind @ ..] if is_statement(behind) => CERTAIN,
        // '||(select …)||', '+(select …)+'
        [Token::Logic | Token::Operator(_), behind @ ..] if is_subselect(behind) => CERTAIN,
        [Token::Operator(_), Token::Function(_), Token::Open, ..] => CERTAIN,
        // ' having 1=1, ' order by 9--
        [Token::Word(b"having"), behind @ ..] if is_comparison(behind) => CERTAIN,
        [Token::Word(b"order" | b"group"), Token::Word(b"by"), Token::Number, ..] => CERTAIN,
        [Token::Word(b"group"), Token::Word(b"by"), Token::Name(_), others @ ..]
            if others.contains(&Token::Word(b"having")) =>
        {
            CERTAIN
        }
        [Token::Comparison, Token::Function(_), Token::Open, ..] => CERTAIN,
        [Token::Word(b"union"), ..] if is_union(read) => CERTAIN,
        [Token::Word(b"into"), Token::Word(b"outfile" | b"dumpfile"), ..] => CERTAIN,
        [Token::Word(b"waitfor"), Token::Word(b"delay"), ..] => CERTAIN,
        [Token::Logic, behind @ ..] => score_condition(behind, true),
        _ => 0,
    }
}

/// Where the value would be put as a number, or as a whole word.
fn score_number(read: &[Token<'_>]) -> u32 {
    let at = read.iter().position(|token| {
        !matches!(token, Token::Number | Token::Operator(b'-') | Token::Close | Token::Name(_))
    });
    let Some(at) = at else { return 0 };
    let (head, behind) = read.split_at_checked(at).unwrap_or((read, &[]));
    let is_value = match head {
        [Token::Number | Token::Name(_)] | [Token::Operator(b'-'), Token::Number] => true,
        [first, others @ ..] => {
            matches!(first, Token::Number | Token::Name(_))
                && others.iter().all(|token| *token == Token::Close)
        }
        [] => false,
    };
    let is_number = is_value && !matches!(head, [Token::Name(_), ..]);
    match behind {
        [Token::Word(b"union"), ..] if is_union(behind) => CERTAIN,
        [Token::Logic, behind @ ..] if is_value => score_condition(behind, is_number),
        [Token::Comparison | Token::Operator(_), behind @ ..]
            if is_value && is_subselect(behind) =>
        {
            CERTAIN
        }
        [Token::End, behind @ ..] if is_value && is_statement(behind) => CERTAIN,
        [Token::Word(b"having"), behind @ ..] if is_number && is_comparison(behind) => CERTAIN,
        [Token::Word(b"order" | b"group"), Token::Word(b"by"), Token::Number]
        | [
            Token::Word(b"order" | b"group"),
            Token::Word(b"by"),
            Token::Number,
            Token::Comment(_),
            ..,
        ] if is_number => CERTAIN,
        [Token::Word(b"into"), Token::Word(b"outfile" | b"dumpfile"), Token::Text, ..] => CERTAIN,
        [Token::Word(b"waitfor"), Token::Word(b"delay"), Token::Text, ..] => CERTAIN,
        [Token::Word(b"procedure"), Token::Name(b"analyse"), ..] if is_number => CERTAIN,
        [Token::Comment(true)] if is_number => LIKELY,
        _ => 0,
    }
}

/// A whole statement, a subselect or a delaying function anywhere in the value.
fn score_statement(read: &[Token<'_>]) -> u32 {
    (0..read.len()).map(|at| score_here(rest_of(read, at), at)).max().unwrap_or(0)
}

/// What the tokens from `at` on are by themselves.
fn score_here(behind: &[Token<'_>], at: usize) -> u32 {
    match behind {
        [Token::Word(b"union"), ..] if is_union(behind) => CERTAIN,
        [Token::Function(b"sleep" | b"pg_sleep"), Token::Open, Token::Number, Token::Close, ..]
            if at > 0 || behind.len() == 4 =>
        {
            CERTAIN
        }
        [
            Token::Function(
                b"extractvalue"
                | b"updatexml"
                | b"load_file"
                | b"randomblob"
                | b"dbms_pipe.receive_message",
            ),
            Token::Open,
            ..,
        ] => CERTAIN,
        [Token::Function(b"benchmark"), Token::Open, Token::Number, Token::Comma, ..] => CERTAIN,
        [Token::Open, inner @ ..] if is_subselect(behind) && has_from(inner) => {
            if at == 0 {
                LIKELY
            } else {
                CERTAIN
            }
        }
        [Token::End, others @ ..] if at == 0 && is_statement(others) => CERTAIN,
        [Token::Open, Token::Word(b"case"), Token::Word(b"when"), ..] => CERTAIN,
        [
            Token::Open,
            Token::Word(b"select"),
            Token::Number,
            Token::Comparison,
            Token::Number,
            ..,
        ] => CERTAIN,
        [Token::Word(b"select"), _, Token::Word(b"from"), Token::Name(name), ..]
            if CATALOGUES.contains(name) =>
        {
            CERTAIN
        }
        [Token::Word(b"exec" | b"execute"), Token::Name(name), ..]
            if name.starts_with(b"xp_") || name.starts_with(b"sp_") || has(name, b"xp_") =>
        {
            CERTAIN
        }
        [Token::Word(b"xp_cmdshell"), ..] => LIKELY,
        [Token::Word(b"select"), Token::Operator(b'*'), Token::Word(b"from"), ..] => CERTAIN,
        [Token::Word(b"select"), Token::Variable, ..] => CERTAIN,
        [Token::Word(b"select"), Token::Function(_), Token::Open, ..] => LIKELY,
        [
            Token::Word(b"insert"),
            Token::Word(b"into"),
            Token::Name(_),
            Token::Open | Token::Word(b"values"),
            ..,
        ] => CERTAIN,
        [Token::Word(b"drop" | b"truncate"), Token::Word(b"table"), Token::Name(_)] => LIKELY,
        [
            Token::Word(b"drop" | b"truncate"),
            Token::Word(b"table"),
            Token::Name(_),
            Token::End | Token::Comment(_),
            ..,
        ] => CERTAIN,
        _ => 0,
    }
}

/// What follows `or` or `and`: a comparison of two values, a function, a subselect.
fn score_condition(behind: &[Token<'_>], is_after_value: bool) -> u32 {
    let behind = match behind {
        [Token::Operator(_), others @ ..] => others,
        _ => behind,
    };
    let behind = without_products(without(behind, &[Token::Open]));
    match behind {
        [Token::Number | Token::Text, Token::Comparison, Token::Number | Token::Text, ..] => {
            CERTAIN
        }
        [first, Token::Comparison, others @ ..]
            if is_operand(*first)
                && (is_subselect(others) || matches!(others, [Token::Function(_), ..])) =>
        {
            CERTAIN
        }
        _ if !is_after_value => 0,
        [Token::Name(_), Token::Comparison, second, ..] if is_operand(*second) => CERTAIN,
        // ' or 'x, ' and 1--
        [Token::Text] | [Token::Number | Token::Text, Token::Comment(_), ..] => LIKELY + 2,
        [Token::Function(_), Token::Open, ..] | [Token::Variable, ..] => CERTAIN,
        [Token::Word(b"select" | b"case"), ..] => CERTAIN,
        [Token::Name(b"true" | b"false")]
        | [Token::Name(b"true" | b"false"), Token::Comment(_), ..]
        | [Token::Name(b"exists"), Token::Open, ..] => CERTAIN,
        [Token::Name(_), Token::Comparison, others @ ..]
            if matches!(without(others, &[Token::Operator(b'+')]), [Token::Word(b"null"), ..]) =>
        {
            CERTAIN
        }
        _ => 0,
    }
}

/// Two values and a comparison between them.
fn is_comparison(read: &[Token<'_>]) -> bool {
    matches!(read, [first, Token::Comparison, second, ..]
        if is_operand(*first) && is_operand(*second))
}

fn is_operand(token: Token<'_>) -> bool {
    matches!(
        token,
        Token::Number | Token::Text | Token::Name(_) | Token::Variable | Token::Function(_)
    )
}

/// `union [all] select` with a list behind it that SQL would read.
fn is_union(read: &[Token<'_>]) -> bool {
    let behind = match read {
        [Token::Word(b"union"), Token::Word(b"all" | b"distinct"), others @ ..]
        | [Token::Word(b"union"), others @ ..] => others,
        _ => return false,
    };
    let behind = without(behind, &[Token::Open]);
    let [Token::Word(b"select"), list @ ..] = behind else { return false };
    let list = match list {
        [Token::Word(b"all" | b"distinct"), others @ ..] => others,
        _ => list,
    };
    is_list(without(list, &[Token::Open]))
}

/// A list of columns: a literal, a function, `*`, or names with a comma or a `from` behind.
fn is_list(list: &[Token<'_>]) -> bool {
    match list {
        [Token::Number | Token::Text | Token::Variable | Token::Function(_), ..]
        | [Token::Word(b"null" | b"case"), ..]
        | [Token::Operator(b'*'), ..]
        | [
            Token::Name(_),
            Token::Comma,
            Token::Name(_) | Token::Number | Token::Word(b"null"),
            ..,
        ] => true,
        [Token::Name(_), Token::Word(b"from"), Token::Name(_), behind @ ..] => {
            !matches!(behind, [Token::Name(_), ..])
        }
        _ => false,
    }
}

/// `(select …` with a list.
fn is_subselect(read: &[Token<'_>]) -> bool {
    let inner = without(read, &[Token::Open]);
    inner.len() < read.len()
        && matches!(inner, [Token::Word(b"select"), list @ ..] if is_list(without(list, &[Token::Open])))
}

fn has_from(read: &[Token<'_>]) -> bool {
    read.contains(&Token::Word(b"from"))
        || read.iter().any(|token| matches!(token, Token::Function(_)))
}

/// The beginning of a statement after `;`.
fn is_statement(read: &[Token<'_>]) -> bool {
    if let [Token::Word(b"select"), list @ ..] = read {
        return is_list(without(list, &[Token::Open]));
    }
    matches!(
        read,
        [Token::Word(b"insert"), Token::Word(b"into"), ..]
            | [Token::Word(b"update"), Token::Name(_), Token::Word(b"set"), ..]
            | [Token::Word(b"delete"), Token::Word(b"from"), ..]
            | [
                Token::Word(b"drop" | b"alter" | b"create" | b"truncate"),
                Token::Word(b"table" | b"database" | b"schema") | Token::Name(_),
                ..
            ]
            | [Token::Word(b"exec" | b"execute" | b"declare" | b"shutdown"), ..]
            | [Token::Word(b"waitfor"), Token::Word(b"delay"), ..]
            | [Token::Word(b"grant" | b"merge" | b"handler"), ..]
    )
}

/// The tokens from the last number of a product or sum on: `2*3*8=48` is read as `8=48`.
fn without_products<'r, 'a>(mut read: &'r [Token<'a>]) -> &'r [Token<'a>] {
    while let [Token::Number, Token::Operator(_), others @ ..] = read {
        if !matches!(others, [Token::Number, ..]) {
            break;
        }
        read = others;
    }
    read
}

/// The tokens after some leading ones.
fn without<'r, 'a>(read: &'r [Token<'a>], leading: &[Token<'a>]) -> &'r [Token<'a>] {
    let n = read.iter().take_while(|token| leading.contains(token)).count();
    rest_of(read, n)
}

fn rest_of<'r, 'a>(read: &'r [Token<'a>], n: usize) -> &'r [Token<'a>] {
    read.get(n..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_put_in_is_found() {
        for value in [
            "1 or 1=1",
            "1 or 1=1--",
            "-1 union select 1,2,3",
            "' or '1'='1",
            "' or 1=1#",
            "') or ('a'='a",
            "admin'--",
            "admin' #",
            "x' and sleep(5)-- -",
            "1; drop table users",
            "'; exec xp_cmdshell('dir')--",
            "1' order by 10-- -",
            "' union all select null,null,concat(0x71,user(),0x71)-- -",
            "1 and (select count(*) from information_schema.tables)>0",
            "'||(select password from users limit 1)||'",
            "1 and extractvalue(1,concat(0x7e,version()))",
            "1/**/union/**/select/**/password/**/from/**/users",
            "/*!50000union*/ /*!50000select*/ 1,2",
            "1 and 1=2",
            "\" or \"\"=\"",
            "'='",
            "x' having 1=1--",
            "1;waitfor delay '0:0:5'--",
            "1 and 5821=5821",
            "a' and ascii(substring((select 1),1,1))>64--",
            "1 rlike (select (case when (1=1) then 1 else 0x28 end))",
            "1) and 3=3 and (1=1",
            "select * from users",
            "insert into users values (1)",
            "1 or sleep(5)",
            "x' or username like '%a",
            "1 or true",
            "') or true--",
            "1' rlike sleep(5) and 'a'='a",
            "1' and 1=convert(int,(select @@version))--",
            "1' group by users.id having 1=1--",
            "; update users set password='x' where 1=1",
            "' or 1 in (select 1)--",
            "' or username is not null or username = '",
            "1 and 2*3*8=6*8",
            "(select 1234=1234)",
            "select name from sqlite_master",
        ] {
            assert!(score(value.as_bytes()) >= CERTAIN, "{value}: {}", score(value.as_bytes()));
        }
    }

    #[test]
    fn prose_is_not_sql() {
        for value in [
            "select shoes from our union collection",
            "o'reilly",
            "o'reilly and associates",
            "rock 'n' roll or jazz",
            "d'or and l'oréal",
            "the student union select committee",
            "union select committee from parliament today",
            "it's 5 or 6",
            "black and white",
            "a=b",
            "1 and 2",
            "2 or 3 bedrooms",
            "drop table lamp",
            "insert into the slot",
            "update your profile; delete old ones",
            "where to order by phone",
            "time.sleep(5) python",
            "c++ -- a history",
            "issue #12",
            "caf\u{e9} 'le select'",
            "men's or women's",
            "20% off; select stores",
            "key:value and other:thing",
            "x >= 5 and y <= 7",
            "it's a boy's life -- a story about growing up",
            "created between 2020 and 2021",
            "tom & jerry",
            "a; select stores",
            "project = abc and status in (open, closed) order by created desc",
            "l'or et l'argent = cher",
            "status in (open, closed)",
            "what's the max length of a string like 'abc'",
        ] {
            assert!(score(value.as_bytes()) < CERTAIN, "{value}: {}", score(value.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "[ -~]{0,60}") {
            let _ = score(value.as_bytes());
        }

        #[test]
        fn plain_words_weigh_nothing(value in "[a-z]{1,9}( [a-z]{1,9}){0,6}") {
            prop_assert!(score(value.as_bytes()) < CERTAIN);
        }
    }
}
