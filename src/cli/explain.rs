//! `creditd config explain`: each setting with its value, who set it, and what it is for.

use std::fmt::Write;

use crate::config::Config;

/// One line per setting, in aligned columns. A password shows as `(set)`.
pub(super) fn explain(config: &Config) -> String {
    let rows: Vec<[String; 4]> = config
        .settings()
        .iter()
        .map(|setting| {
            let value = setting.display();
            let value = if value.is_empty() { "-".into() } else { value };
            [setting.knob.name.into(), value, setting.source.to_string(), setting.knob.help.into()]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name, value, source) = (width(0), width(1), width(2));
    let mut text = String::new();
    for row in &rows {
        writeln!(text, "{:name$}  {:value$}  {:source$}  {}", row[0], row[1], row[2], row[3])
            .expect("a string takes every write");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::knobs::KNOBS;

    #[test]
    fn each_setting_has_a_line_with_value_and_source_and_no_password() {
        let flags = [("port", "0".to_string()), ("requirepass", "hunter-canary".to_string())];
        let text = explain(&Config::load(flags, [("CREDITD_CORES".into(), "2".into())]).unwrap());
        assert_eq!(text.lines().count(), KNOBS.len());
        let line =
            |name: &str| text.lines().find(|line| line.starts_with(&format!("{name} "))).expect("a line").to_string();
        let words = |name: &str| line(name).split_whitespace().take(3).map(String::from).collect::<Vec<_>>();
        assert_eq!(words("port"), ["port", "any", "--port"]);
        assert_eq!(words("cores"), ["cores", "2", "CREDITD_CORES"]);
        assert_eq!(words("shards"), ["shards", "auto", "default"]);
        assert_eq!(words("config"), ["config", "-", "default"]);
        assert_eq!(words("requirepass"), ["requirepass", "(set)", "--requirepass"]);
        assert!(!text.contains("hunter"));
    }
}
