//! The API's document as one page of HTML, made here from the document itself.
//!
//! A bundled viewer such as Swagger UI would put four megabytes of scripts into a function that is to stay small, and its
//! page would need a policy that lets scripts run. This page is text and one style: it needs no script, loads nothing, and
//! works where nothing but this host can be reached.

use serde_json::{Map, Value};

/// The page's only style. The content security policy names its digest.
pub(crate) const STYLE: &str = include_str!("docs_page.css");

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// One operation of the document.
struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    value: &'a Value,
}

/// The page.
pub(crate) fn render(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let operations = operations(&document);
    let tags = tags(&document, &operations);
    let title = text(&document["info"], "title");
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} API</title><style>{STYLE}</style></head><body>\
         <header><h1>{title} <small>{version}</small></h1>{description}\
         <p><a href=\"/api/openapi.json\">openapi.json</a></p></header><nav><ul>",
        version = text(&document["info"], "version"),
        description = prose(&document["info"]["description"]),
    );
    let links = tags.iter().map(|(tag, _)| escape(tag));
    page.extend(links.map(|tag| format!("<li><a href=\"#tag-{tag}\">{tag}</a>")));
    page +=
        "<li><a href=\"#schemas\">schemas</a><li><a href=\"#errors\">errors</a></ul></nav><main>";
    for (tag, description) in &tags {
        let of_tag = operations
            .iter()
            .filter(|operation| first_tag(operation.value) == *tag)
            .map(operation_section);
        let tag = escape(tag);
        page.extend([format!(
            "<section id=\"tag-{tag}\"><h2>{tag}</h2>{description}"
        )]);
        page.extend(of_tag);
        page += "</section>";
    }
    page += "<section id=\"schemas\"><h2>schemas</h2>";
    let schemas = members(&document["components"]["schemas"]);
    page.extend(schemas.map(|(name, schema)| schema_section(name, schema)));
    page += "</section><section id=\"errors\"><h2>errors</h2>";
    let responses = members(&document["components"]["responses"]);
    page.extend(responses.map(|(name, response)| {
        let name = escape(name);
        let meaning = prose(&response["description"]);
        format!("<h3 id=\"response-{name}\">{name}</h3>{meaning}")
    }));
    page += "</section></main></body></html>\n";
    page
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    members(&document["paths"])
        .flat_map(|(path, item)| {
            METHODS.iter().filter_map(move |method| {
                let value = item.get(*method)?;
                Some(Operation {
                    path,
                    method,
                    value,
                })
            })
        })
        .collect()
}

/// The tags in the document's order, and those that only operations name; with their descriptions.
fn tags<'a>(document: &'a Value, operations: &[Operation<'a>]) -> Vec<(&'a str, String)> {
    let declared = document["tags"].as_array().into_iter().flatten();
    let mut tags: Vec<_> = declared
        .filter_map(|tag| Some((tag["name"].as_str()?, prose(&tag["description"]))))
        .collect();
    for operation in operations {
        let name = first_tag(operation.value);
        if tags.iter().all(|(known, _)| *known != name) {
            tags.push((name, String::new()));
        }
    }
    tags
}

fn first_tag(operation: &Value) -> &str {
    operation["tags"][0].as_str().unwrap_or("other")
}

fn operation_section(operation: &Operation<'_>) -> String {
    let Operation {
        path,
        method,
        value,
    } = operation;
    let mut html = format!(
        "<details id=\"{id}\"><summary><b class=\"{method}\">{method}</b> <code>{path}</code> <span>{summary}</span></summary>\
         {description}<p>Who: {access}</p>",
        id = text(value, "operationId"),
        path = escape(path),
        summary = text(value, "summary"),
        description = prose(&value["description"]),
        access = access(&value["x-access"]),
    );
    if let Some(parameters) = value["parameters"].as_array() {
        html += "<h4>Parameters</h4><table><tr><th>name<th>in<th>type<th>meaning</tr>";
        html.extend(parameters.iter().map(|parameter| {
            format!(
                "<tr><td><code>{}</code>{}<td>{}<td>{}<td>{}</tr>",
                text(parameter, "name"),
                required(parameter["required"] == true),
                text(parameter, "in"),
                type_of(&parameter["schema"]),
                prose(&parameter["description"])
            )
        }));
        html += "</table>";
    }
    let bodies = members(&value["requestBody"]["content"]);
    html.extend(bodies.map(|(kind, content)| {
        let (kind, body) = (escape(kind), type_of(&content["schema"]));
        format!("<h4>Body</h4><p>{kind}, {body}</p>")
    }));
    html += "<h4>Answers</h4><table><tr><th>status<th>body<th>meaning</tr>";
    let responses = members(&value["responses"]);
    html.extend(responses.map(|(status, response)| response_row(status, response)));
    html + "</table></details>"
}

fn response_row(status: &str, response: &Value) -> String {
    let status = escape(status);
    if let Some(name) = response["$ref"].as_str().and_then(last_part) {
        let name = escape(name);
        return format!("<tr><td>{status}<td><td><a href=\"#response-{name}\">{name}</a></tr>");
    }
    let bodies: Vec<_> = members(&response["content"])
        .map(|(_, content)| type_of(&content["schema"]))
        .collect();
    format!(
        "<tr><td>{status}<td>{}<td>{}</tr>",
        bodies.join(", "),
        prose(&response["description"])
    )
}

/// Who may call, in words: the value of `x-access` is `public`, or which scope each kind of caller needs.
fn access(value: &Value) -> String {
    let kinds = members(value).map(|(kind, scope)| {
        let who = match kind {
            "people" => "people and API tokens",
            "session" => "people who have signed in",
            "token" => "API tokens",
            "agent" => "registered agents",
            "own_agent" => "the agent itself",
            "agent_key" => "agent keys",
            other => other,
        };
        match scope.as_str().unwrap_or_default() {
            "any" => format!("{}, whatever their scopes", escape(who)),
            scope => format!("{} with <code>{}</code>", escape(who), escape(scope)),
        }
    });
    let kinds: Vec<_> = kinds.collect();
    if kinds.is_empty() {
        "anybody".to_owned()
    } else {
        kinds.join(", ")
    }
}

fn schema_section(name: &str, schema: &Value) -> String {
    let name = escape(name);
    let mut html = format!(
        "<h3 id=\"schema-{name}\">{name}</h3>{}",
        prose(&schema["description"])
    );
    let Some(properties) = schema["properties"].as_object() else {
        return html + &format!("<p>{}</p>", type_of(schema));
    };
    let needed = schema["required"].as_array();
    html += "<table><tr><th>field<th>type<th>meaning</tr>";
    html.extend(properties.iter().map(|(field, property)| {
        let is_needed = needed.is_some_and(|needed| needed.iter().any(|name| name == field));
        format!(
            "<tr><td><code>{}</code>{}<td>{}<td>{}</tr>",
            escape(field),
            required(is_needed),
            type_of(property),
            prose(description(property))
        )
    }));
    html + "</table>"
}

/// What a field means. One that may be null says it beside the type that it has otherwise.
fn description(property: &Value) -> &Value {
    match &property["description"] {
        Value::Null => &property["oneOf"][0]["description"],
        own => own,
    }
}

fn required(is: bool) -> &'static str {
    if is { " <em>required</em>" } else { "" }
}

/// What a value may be: its type, with its limits.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(last_part) {
        let name = escape(name);
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(choices) = schema[key].as_array() {
            let choices: Vec<_> = choices.iter().map(type_of).collect();
            let joint = if key == "allOf" { " and " } else { " or " };
            return choices.join(joint) + &limits(schema);
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().map(code).collect();
        return words.join(", ") + &limits(schema);
    }
    let named: Vec<String> = match &schema["type"] {
        Value::String(name) => vec![escape(name)],
        Value::Array(names) => names
            .iter()
            .filter_map(|name| name.as_str().map(escape))
            .collect(),
        _ => vec!["anything".to_owned()],
    };
    let mut html = named.join(" or ");
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            html.extend([" of ".to_owned(), type_of(&schema[inner])]);
        }
    }
    html + &limits(schema)
}

fn limits(schema: &Value) -> String {
    const LIMITS: [(&str, &str); 9] = [
        ("format", "format"),
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minItems", "items at least"),
        ("maxItems", "items at most"),
        ("pattern", "pattern"),
        ("default", "default"),
    ];
    let found: Vec<_> = LIMITS
        .iter()
        .filter_map(|(key, words)| Some(format!("{words} {}", code(schema.get(*key)?))))
        .collect();
    if found.is_empty() {
        String::new()
    } else {
        format!(" <small>{}</small>", found.join(", "))
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .as_object()
        .into_iter()
        .flat_map(Map::iter)
        .map(|(name, value)| (name.as_str(), value))
}

fn last_part(reference: &str) -> Option<&str> {
    reference.rsplit('/').next()
}

fn code(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    format!("<code>{}</code>", escape(&text))
}

fn text(value: &Value, key: &str) -> String {
    escape(value[key].as_str().unwrap_or_default())
}

/// Paragraphs, lists and code of a description: as much of Markdown as the code's own comments use.
fn prose(description: &Value) -> String {
    let Some(description) = description.as_str().filter(|text| !text.is_empty()) else {
        return String::new();
    };
    let paragraphs = description.split("\n\n").map(|paragraph| {
        let mut lines = String::new();
        lines.extend(paragraph.lines().map(|line| match line.strip_prefix("- ") {
            Some(item) => format!("<br>• {}", with_code(item)),
            None => with_code(line) + " ",
        }));
        format!("<p>{}</p>", lines.trim())
    });
    paragraphs.collect()
}

/// Every second part between back-ticks is code.
fn with_code(line: &str) -> String {
    let parts = line.split('`').enumerate().map(|(place, part)| {
        let part = escape(part);
        if place % 2 == 1 {
            format!("<code>{part}</code>")
        } else {
            part
        }
    });
    parts.collect()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        let document = r#"{"info":{"title":"<script>","version":"\"1\""},"paths":{"/a<b":{"get":{
            "summary":"<img>","tags":["x"],"x-access":{"people":"a<b"},"responses":{"200":{"description":"`a` <b>"}}}}},
            "components":{"schemas":{"S":{"type":"string","pattern":"^<"}}}}"#;
        let page = render(document);
        for markup in ["<script", "<img", "<b>", "a<b"] {
            assert!(!page.contains(markup), "{markup}");
        }
        assert!(page.contains("<code>a</code> &lt;b&gt;"));
    }

    #[test]
    fn every_operation_and_schema_is_on_the_page() {
        let document = include_str!("../../../docs/openapi.json");
        let page = render(document);
        let parsed: Value = serde_json::from_str(document).unwrap_or_default();
        for operation in operations(&parsed) {
            let id = text(operation.value, "operationId");
            assert!(page.contains(&format!("<details id=\"{id}\">")), "{id}");
        }
        for (name, _) in members(&parsed["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
        for loading in ["<script", "<link", "src=", "url(", "@import"] {
            assert!(!page.contains(loading), "{loading}");
        }
        for target in page.split("href=\"").skip(1) {
            assert!(target.starts_with(['#', '/']), "{}", &target[..20]);
        }
    }
}
