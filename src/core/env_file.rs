//! Files of environment variables: `NAME=value` lines, `#` comments, blank lines; a value may stand in single or
//! double quotes, which are taken off. Nothing is expanded.

use super::name::VariableName;
use super::secret::Secret;

/// Reads the text of an environment file.
///
/// # Errors
/// Names the first line that is not understood; never shows a value.
pub fn parse(text: &str) -> Result<Vec<(VariableName, Secret)>, String> {
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {number}: no '=' in it"))?;
        let name = VariableName::parse(name.trim_end())
            .map_err(|fault| format!("line {number}: the name {fault}"))?;
        variables.push((name, Secret::new(unquote(value.trim_start()))));
    }
    Ok(variables)
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value
            .strip_prefix(quote)
            .and_then(|v| v.strip_suffix(quote))
        {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_comments_and_export_are_understood_and_a_bad_line_is_named_without_its_value() {
        let read = parse("# c\n\nA=1\nexport B = \"x y\"\nC='#no'\nD=a=b\n").unwrap();
        let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.expose())).collect();
        assert_eq!(read, [("A", "1"), ("B", "x y"), ("C", "#no"), ("D", "a=b")]);
        let fault = parse("A=1\n9B=hunter2\n").unwrap_err();
        assert!(
            fault.starts_with("line 2") && !fault.contains("hunter2"),
            "{fault}"
        );
    }
}
