//! Arguments and templates of a `server.json`.

use serde_json::Value;

use super::Server;

/// The words of `runtimeArguments` or `packageArguments`.
pub(super) fn arguments(server: &mut Server, written: Option<&Value>) -> Vec<String> {
    let mut words = Vec::new();
    for argument in written.and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| argument.get(key).and_then(Value::as_str);
        let named = text("type") == Some("named");
        let shown = text("name").or_else(|| text("valueHint")).unwrap_or("an argument");
        let value = text("value").or_else(|| text("default")).map(|value| filled(value, argument.get("variables")));
        let required = argument.get("isRequired") == Some(&Value::Bool(true));
        match value {
            Some(Ok(value)) => words.extend(named.then(|| shown.to_owned()).into_iter().chain([value])),
            Some(Err(variable)) => {
                server.note(format!("the argument {shown} needs a value for `{variable}`: add it to runtime.args"));
            }
            None if named && text("valueHint").is_none() && text("format").is_none() && required => words.push(shown.to_owned()),
            None if required => server.note(format!("the argument {shown} has no value: add it to runtime.args")),
            None => server.note(format!("the optional argument {shown} is left out")),
        }
    }
    words
}

/// `{name}` filled in from the variables' values or defaults, or the name that has none.
pub(super) fn filled(text: &str, variables: Option<&Value>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        let variable = variables.and_then(|variables| variables.get(name));
        let value = ["value", "default"].into_iter().find_map(|key| variable?.get(key)?.as_str());
        filled.push_str(before);
        filled.push_str(value.ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
