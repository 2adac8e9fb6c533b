//! docs/operate/messages.md and the runbooks say what the code says: every warning and error of the server is in the
//! table, every message in the table is in the code, every runbook is reached and has its three parts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the program can say: all of src without its tests, string continuations joined.
fn code(dir: &Path) -> String {
    let mut paths: Vec<_> = fs::read_dir(dir).expect("src").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut text = String::new();
    for path in paths.iter().filter(|path| !path.to_str().is_some_and(|path| path.contains("tests"))) {
        if path.is_dir() {
            text += &code(path);
        } else {
            let file = fs::read_to_string(path).expect("code");
            text += &joined(file.split("#[cfg(test)]\nmod tests {").next().expect("a first part"));
        }
    }
    text
}

/// One line for what a backslash or a line end of prose had put on several.
fn joined(text: &str) -> String {
    text.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Messages of the server's log, at these levels; of one with figures in it, the longest piece without.
fn logged(code: &str) -> BTreeSet<String> {
    let calls = ["tracing::warn!(", "tracing::error!("].iter().flat_map(|call| code.split(call).skip(1));
    let message = |call: &str| {
        let literals: Vec<_> = call.split(");").next().expect("a call ends").split('"').collect();
        assert!(literals.len() >= 3, "a message: {call:.80}");
        let pieces = literals[1].split(['{', '}']).map(|piece| piece.trim_matches([' ', ';']));
        pieces.max_by_key(|piece| piece.len()).expect("a piece").to_owned()
    };
    calls.map(message).collect()
}

/// Words of the refusals of a start, and of the errors of the journal.
fn refusals() -> BTreeSet<String> {
    let file = fs::read_to_string(root().join("src/journal/error.rs")).expect("it is there");
    let what = file.split("fn what(self)").nth(1).and_then(|rest| rest.split("fn ").next()).expect("words of cases");
    what.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table: messages, and the file that each names.
fn rows(table: &str) -> Vec<(String, Option<String>)> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let message = row.split('`').nth(1).expect("a message").to_owned();
        let link = row.split("](").nth(1).and_then(|rest| rest.split(')').next());
        (message, link.map(str::to_owned))
    })
    .collect()
}

#[test]
fn every_message_has_its_row_and_every_row_its_message() {
    let table = fs::read_to_string(root().join("docs/operate/messages.md")).expect("the table");
    let (rows, code) = (rows(&table), code(&root().join("src")));
    let known = |message: &String| rows.iter().any(|(row, _)| message.contains(row) || row.contains(message.as_str()));
    let missing: Vec<_> = logged(&code).into_iter().chain(refusals()).filter(|message| !known(message)).collect();
    assert!(missing.is_empty(), "not in the table: {missing:#?}");
    let stale: Vec<_> = rows.iter().filter(|(message, _)| !code.contains(message)).collect();
    assert!(stale.is_empty(), "not in the code: {stale:#?}");
}

#[test]
fn every_runbook_is_reached_and_says_what_it_means_whether_money_is_safe_and_what_to_type() {
    let operate = root().join("docs/operate");
    let table = fs::read_to_string(operate.join("messages.md")).expect("the table");
    let alerts = fs::read_to_string(operate.join("alerts.yml")).expect("the alerts");
    let of_alerts = alerts.split("runbook_url: docs/operate/").skip(1).filter_map(|rest| rest.lines().next());
    let of_messages = rows(&table).into_iter().filter_map(|(_, link)| link);
    let linked: BTreeSet<_> = of_messages.chain(of_alerts.map(str::to_owned)).collect();
    let files = fs::read_dir(operate.join("runbooks")).expect("runbooks");
    let files: BTreeSet<_> =
        files.map(|file| format!("runbooks/{}", file.expect("an entry").file_name().to_string_lossy())).collect();
    assert_eq!(linked.iter().filter(|link| link.starts_with("runbooks/")).cloned().collect::<BTreeSet<_>>(), files);
    for file in &files {
        let text = fs::read_to_string(operate.join(file)).expect("a runbook");
        for part in ["# ", "**What it means.**", "**Is money safe?**", "**What to type.**"] {
            assert!(text.contains(part), "{file} has no '{part}'");
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            assert!(operate.join("runbooks").join(link).exists(), "{file}: there is no {link}");
        }
    }
}
