//! How objects are shown: names, JSON, YAML, templates, columns and tables.
//!
//! Upstream: `k8s.io/cli-runtime/pkg/printers` and `genericclioptions`.

pub mod columns;
pub mod go_template;
pub use crate::k8s::jsonpath;
pub mod table;
pub mod tabs;

use serde_json::Value;

use super::client::Kube;
use super::discovery::{join_group, split_version};
use super::failure::{Outcome, fail};
use super::flags::DryRun;
use crate::k8s::{json, yaml};
use crate::shell::printers::go::quote;
use columns::Columns;
use go_template::Template;
use jsonpath::JsonPath;

/// `-o`, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Nothing was asked for, or `wide`.
    Human {
        wide: bool,
    },
    Json,
    Yaml,
    Name,
    JsonPath(JsonPath, bool),
    Template(Template),
    Columns(Columns),
}

/// What may stand behind `-o`, as errors list it.
const FORMATS: &str = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml";
const FORMATS_NOT_HUMAN: &str =
    "go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,yaml";

impl Output {
    /// Reads `-o` and `--template` of a command. Tables and columns are for those that list.
    pub fn read(kube: &mut Kube, lists: bool) -> Outcome<Output> {
        let wanted = kube.args.text("output").to_owned();
        let template = kube.args.text("template").to_owned();
        let wanted = if wanted.is_empty() && !template.is_empty() { "go-template".to_owned() } else { wanted };
        let (format, argument) = match wanted.split_once('=') {
            Some((format, argument)) => (format.to_owned(), argument.to_owned()),
            None => (wanted.clone(), template),
        };
        let file = |kube: &mut Kube, path: &str, what: &str| match kube.run.read_file(path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => fail(
                format!("error reading --template {path}, open {path}: {}", error.in_go()).replace("--template", what),
            ),
        };
        Ok(match format.as_str() {
            "" => Output::Human { wide: false },
            "wide" if lists => Output::Human { wide: true },
            "json" => Output::Json,
            // Simplified: the dialect that KYAML is, is printed as plain YAML.
            "yaml" | "kyaml" => Output::Yaml,
            "name" => Output::Name,
            "jsonpath" | "jsonpath-as-json" if argument.is_empty() => {
                return fail("template format specified but no template given");
            }
            "jsonpath" | "jsonpath-as-json" => Output::json_path(&argument, format == "jsonpath-as-json")?,
            "jsonpath-file" => {
                let text = file(kube, &argument, "--template")?;
                Output::json_path(&text, false)?
            }
            "go-template" | "template" if argument.is_empty() => {
                return fail("template format specified but no template given");
            }
            "go-template" | "template" => Output::template(&argument)?,
            "go-template-file" | "templatefile" => {
                let text = file(kube, &argument, "--template")?;
                Output::template(&text)?
            }
            "custom-columns" if lists && argument.is_empty() => {
                return fail("custom-columns format specified but no custom columns given");
            }
            "custom-columns" if lists => match Columns::parse(&argument, kube.args.bool("no-headers")) {
                Ok(columns) => Output::Columns(columns),
                Err(error) => return fail(error),
            },
            "custom-columns-file" if lists => {
                let text = file(kube, &argument, "--template")?;
                match Columns::of_file(&text, kube.args.bool("no-headers")) {
                    Ok(columns) => Output::Columns(columns),
                    Err(error) => return fail(error),
                }
            }
            _ => {
                let formats = if lists { FORMATS } else { FORMATS_NOT_HUMAN };
                return fail(format!(
                    "unable to match a printer suitable for the output format {}, allowed formats are: {formats}",
                    quote(&wanted)
                ));
            }
        })
    }

    fn json_path(text: &str, as_json: bool) -> Outcome<Output> {
        match JsonPath::parse(text) {
            Ok(path) => Ok(Output::JsonPath(path, as_json)),
            Err(error) => fail(format!("error parsing jsonpath {text}, {error}")),
        }
    }

    fn template(text: &str) -> Outcome<Output> {
        match Template::parse(text) {
            Ok(template) => Ok(Output::Template(template)),
            Err(error) => fail(format!("error parsing template {text}, template: output:1: {error}")),
        }
    }

    pub fn is_human(&self) -> bool {
        matches!(self, Output::Human { .. })
    }

    /// An object in this form. `action` is what the human form says: `created`.
    pub fn show(&self, object: &Value, action: &str) -> Result<String, String> {
        Ok(match self {
            Output::Human { .. } => named(object, action),
            Output::Name => named(object, ""),
            Output::Json => json::to_string_pretty(&tidy(object)) + "\n",
            Output::Yaml => yaml::to_string(&tidy(object)),
            Output::JsonPath(path, as_json) => path.show(object, *as_json)?,
            Output::Template(template) => template.show(object)?,
            Output::Columns(columns) => columns.show(std::slice::from_ref(object))?,
        })
    }
}

/// What is left out of what is shown: what managers own.
pub fn tidy(object: &Value) -> Value {
    let mut object = object.clone();
    hide_managed(&mut object);
    object.sort_all_objects();
    object
}

/// Leaves out who manages what.
pub fn hide_managed(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        items.iter_mut().for_each(hide_managed);
    }
}

/// `deployment.apps/web created`
pub fn named(object: &Value, action: &str) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, _) = split_version(object["apiVersion"].as_str().unwrap_or_default());
    let what = join_group(&text(&object["kind"]).to_lowercase(), group);
    let name = match text(&object["metadata"]["name"]) {
        name if name.is_empty() => "<unknown>".to_owned(),
        name => name,
    };
    let space = if action.is_empty() { "" } else { " " };
    let name = if what.is_empty() { name } else { format!("{what}/{name}") };
    format!("{name}{space}{action}\n")
}

/// What is said behind an action that was only tried.
pub fn tried(action: &str, dry_run: DryRun) -> String {
    match dry_run {
        DryRun::None => action.to_owned(),
        DryRun::Client => format!("{action} (dry run)"),
        DryRun::Server => format!("{action} (server dry run)"),
    }
}

/// Prints the outcome of an action on an object as `-o` wants it.
pub fn outcome(kube: &mut Kube, output: &Output, object: &Value, action: &str, dry_run: DryRun) -> Outcome<()> {
    match output.show(object, &tried(action, dry_run)) {
        Ok(text) => {
            // Several documents are kept apart.
            kube.print(text);
            Ok(())
        }
        Err(error) => fail(error),
    }
}
