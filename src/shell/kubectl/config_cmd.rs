//! `kubectl config`: kubeconfig files looked at and changed.
//!
//! Upstream: `k8s.io/kubectl/pkg/cmd/config`.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::client::Kube;
use super::config::{KubeConfig, SECTIONS, list};
use super::failure::{Outcome, fail};
use super::print::tabs::align;
use crate::k8s::{json as json_text, yaml};
use crate::shell::printers::go::quote;

fn load(kube: &mut Kube) -> Outcome<KubeConfig> {
    KubeConfig::load(&mut kube.run, kube.args, kube.environment)
}

fn one_word(kube: &Kube) -> Outcome<String> {
    match &kube.args.words[..] {
        [word] => Ok(word.clone()),
        words => fail(format!("unexpected args: [{}]", words.join(" "))),
    }
}

/// Changes the file that has a thing of a section, or the one for new things.
fn change(kube: &mut Kube, section: &str, name: &str, act: impl FnOnce(&mut Value)) -> Outcome<()> {
    let config = load(kube)?;
    let has = |file: &Value| match section {
        "" => file["current-context"].as_str().is_some_and(|own| !own.is_empty()),
        section => list(&file[section]).iter().any(|item| item["name"] == name),
    };
    let origin = config.files.iter().find(|(_, file)| has(file)).or(config.files.first());
    let (path, mut file) = origin.cloned().unwrap_or_else(|| (config.target.clone(), json!({})));
    act(&mut file);
    write(kube, &path, file)
}

/// Writes a file as upstream does: with all sections, and those sorted.
fn write(kube: &mut Kube, path: &str, mut file: Value) -> Outcome<()> {
    for (section, _) in SECTIONS {
        let mut items = list(&file[section]).to_vec();
        items.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
        file[section] = if items.is_empty() { Value::Null } else { items.into() };
    }
    file["apiVersion"] = "v1".into();
    file["kind"] = "Config".into();
    if !file["current-context"].is_string() {
        file["current-context"] = "".into();
    }
    let text = yaml::to_string(&file);
    let written = kube.run.write_files(|files| {
        if let Some((folder, _)) = path.rsplit_once('/') {
            files.make_directories(folder)?;
        }
        files.write(path, Bytes::from(text))
    });
    match written {
        Ok(()) => Ok(()),
        Err(error) => fail(format!("open {path}: {error}")),
    }
}

/// The thing of a section, made if it is not there.
fn entry<'f>(file: &'f mut Value, section: &str, name: &str) -> &'f mut Value {
    let word = SECTIONS.iter().find(|(known, _)| *known == section).map_or("", |(_, word)| word);
    if !file[section].is_array() {
        file[section] = json!([]);
    }
    let items = file[section].as_array_mut().expect("it was made an array");
    let at = items.iter().position(|item| item["name"] == name).unwrap_or_else(|| {
        items.push(json!({word: {}, "name": name}));
        items.len() - 1
    });
    let own = &mut items[at][word];
    if !own.is_object() {
        *own = json!({});
    }
    own
}

pub fn view(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let config = load(kube)?;
    let mut shown = Value::Object(config.value.clone());
    if args.bool("minify") {
        shown =
            minified(&config, if args.text("context").is_empty() { config.current() } else { args.text("context") })?;
    }
    if !args.bool("raw") {
        redact(&mut shown);
    }
    shown.sort_all_objects();
    let text = match args.text("output") {
        "json" => json_text::to_string_pretty(&shown) + "\n",
        "" | "yaml" => yaml::to_string(&shown),
        _ => match super::print::Output::read(kube, false)?.show(&shown, "") {
            Ok(text) => text,
            Err(error) => return fail(error),
        },
    };
    kube.print(text);
    Ok(())
}

/// What the current context needs.
fn minified(config: &KubeConfig, context: &str) -> Outcome<Value> {
    let Some(own) = config.find("contexts", context) else {
        return fail("current-context must exist in order to minify");
    };
    let wanted = [("clusters", &own["context"]["cluster"]), ("users", &own["context"]["user"])];
    let mut shown = Value::Object(config.value.clone());
    shown["contexts"] = json!([own]);
    shown["current-context"] = context.into();
    for (section, name) in wanted {
        let found = config.find(section, name.as_str().unwrap_or_default());
        shown[section] = found.map_or(Value::Null, |found| json!([found]));
    }
    Ok(shown)
}

/// Hides what is nobody's business.
fn redact(shown: &mut Value) {
    for user in shown["users"].as_array_mut().into_iter().flatten() {
        for (name, with) in [
            ("token", "REDACTED"),
            ("password", "REDACTED"),
            ("client-certificate-data", "DATA+OMITTED"),
            ("client-key-data", "DATA+OMITTED"),
        ] {
            if user["user"].get(name).is_some() {
                user["user"][name] = with.into();
            }
        }
    }
    for cluster in shown["clusters"].as_array_mut().into_iter().flatten() {
        if cluster["cluster"].get("certificate-authority-data").is_some() {
            cluster["cluster"]["certificate-authority-data"] = "DATA+OMITTED".into();
        }
    }
}

pub fn current_context(kube: &mut Kube) -> Outcome<()> {
    let config = load(kube)?;
    if config.current().is_empty() {
        return fail("current-context is not set");
    }
    kube.print(format!("{}\n", config.current()));
    Ok(())
}

pub fn get_contexts(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let config = load(kube)?;
    let all = list(&config.value["contexts"]);
    let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
    let wanted: Vec<String> = if args.words.is_empty() { all.iter().map(name).collect() } else { args.words.clone() };
    let (mut out, mut missing) = (String::new(), Vec::new());
    let names_only = args.text("output") == "name";
    if !matches!(args.text("output"), "" | "name") {
        return fail(format!("output must be one of '' or 'name': {}", args.text("output")));
    }
    if !names_only && !args.bool("no-headers") {
        out += "CURRENT\tNAME\tCLUSTER\tAUTHINFO\tNAMESPACE\n";
    }
    for name in &wanted {
        let Some(context) = config.find("contexts", name) else {
            missing.push(super::failure::Failure::Text(format!("context {name} not found")));
            continue;
        };
        if names_only {
            out += &format!("{name}\n");
            continue;
        }
        let own = |field: &str| context["context"][field].as_str().unwrap_or_default().to_owned();
        let mark = if name == config.current() { "*" } else { "" };
        out += &format!("{mark}\t{name}\t{}\t{}\t{}\n", own("cluster"), own("user"), own("namespace"));
    }
    kube.print(if names_only { out } else { align(&out, 6, 3) });
    super::failure::all(missing)
}

fn names(kube: &mut Kube, section: &str) -> Outcome<()> {
    let config = load(kube)?;
    let mut out = "NAME\n".to_owned();
    for item in list(&config.value[section]) {
        out += &format!("{}\n", item["name"].as_str().unwrap_or_default());
    }
    kube.print(out);
    Ok(())
}

pub fn get_clusters(kube: &mut Kube) -> Outcome<()> {
    names(kube, "clusters")
}

pub fn get_users(kube: &mut Kube) -> Outcome<()> {
    names(kube, "users")
}

pub fn use_context(kube: &mut Kube) -> Outcome<()> {
    let name = one_word(kube)?;
    if load(kube)?.find("contexts", &name).is_none() {
        return fail(format!("no context exists with the name: {}", quote(&name)));
    }
    change(kube, "", "", |file| file["current-context"] = name.clone().into())?;
    kube.print(format!("Switched to context {}.\n", quote(&name)));
    Ok(())
}

pub fn set_context(kube: &mut Kube) -> Outcome<()> {
    let args = kube.args;
    let config = load(kube)?;
    let name = match (args.bool("current"), &args.words[..]) {
        (true, []) => config.current().to_owned(),
        (false, [name]) => name.clone(),
        (true, _) => return fail("you cannot specify both a context name and --current"),
        (false, _) => return fail("you must specify a non-empty context name or --current"),
    };
    if name.is_empty() {
        return fail("no current context is set");
    }
    let existed = config.find("contexts", &name).is_some();
    change(kube, "contexts", &name, |file| {
        let own = entry(file, "contexts", &name);
        for flag in ["cluster", "user", "namespace"] {
            if args.is_set(flag) {
                own[flag] = args.text(flag).into();
            }
        }
        for field in ["cluster", "user"] {
            if !own[field].is_string() {
                own[field] = "".into();
            }
        }
    })?;
    kube.print(format!("Context {} {}.\n", quote(&name), if existed { "modified" } else { "created" }));
    Ok(())
}

pub fn set_cluster(kube: &mut Kube) -> Outcome<()> {
    let name = one_word(kube)?;
    let args = kube.args;
    let ca = args.text("certificate-authority").to_owned();
    let embedded = if args.bool("embed-certs") && !ca.is_empty() { Some(read(kube, &ca)?) } else { None };
    change(kube, "clusters", &name, |file| {
        let own = entry(file, "clusters", &name);
        for flag in ["server", "tls-server-name", "proxy-url"] {
            if args.is_set(flag) {
                own[flag] = args.text(flag).into();
            }
        }
        if args.is_set("insecure-skip-tls-verify") {
            own["insecure-skip-tls-verify"] = args.bool("insecure-skip-tls-verify").into();
        }
        match embedded {
            Some(data) => own["certificate-authority-data"] = data.into(),
            None if !ca.is_empty() => own["certificate-authority"] = ca.into(),
            None => {}
        }
        if !own["server"].is_string() {
            own["server"] = "".into();
        }
    })?;
    kube.print(format!("Cluster {} set.\n", quote(&name)));
    Ok(())
}

fn read(kube: &mut Kube, path: &str) -> Outcome<String> {
    match kube.run.read_file(path) {
        Ok(bytes) => Ok(super::config::encode(&bytes)),
        Err(error) => fail(format!("could not stat {path}: {}", error.in_go())),
    }
}

pub fn set_credentials(kube: &mut Kube) -> Outcome<()> {
    let name = one_word(kube)?;
    let args = kube.args;
    let mut fields: Map<String, Value> = Map::new();
    for flag in ["token", "username", "password"] {
        if args.is_set(flag) {
            fields.insert(flag.to_owned(), args.text(flag).into());
        }
    }
    if args.is_set("token") && (args.is_set("username") || args.is_set("password")) {
        return fail(
            "you cannot specify more than one authentication method at the same time: [--token --username/--password]",
        );
    }
    for flag in ["client-certificate", "client-key"] {
        if !args.is_set(flag) {
            continue;
        }
        let path = args.text(flag).to_owned();
        match args.bool("embed-certs") {
            true => drop(fields.insert(format!("{flag}-data"), read(kube, &path)?.into())),
            false => drop(fields.insert(flag.to_owned(), path.into())),
        }
    }
    change(kube, "users", &name, |file| {
        let own = entry(file, "users", &name);
        for (field, value) in fields {
            own[&field] = value;
        }
    })?;
    kube.print(format!("User {} set.\n", quote(&name)));
    Ok(())
}

fn delete(kube: &mut Kube, section: &str, word: &str) -> Outcome<()> {
    let name = one_word(kube)?;
    let config = load(kube)?;
    let target = config.target.clone();
    if config.find(section, &name).is_none() {
        return fail(format!("cannot delete {word} {name}, not in {target}"));
    }
    if section == "contexts" && config.current() == name {
        kube.complain(
            "warning: this removed your active context, use \"kubectl config use-context\" to select a different one\n",
        );
    }
    change(kube, section, &name, |file| {
        file[section].as_array_mut().into_iter().for_each(|items| items.retain(|item| item["name"] != name.as_str()));
    })?;
    kube.print(format!("deleted {word} {name} from {target}\n"));
    Ok(())
}

pub fn delete_context(kube: &mut Kube) -> Outcome<()> {
    delete(kube, "contexts", "context")
}

pub fn delete_cluster(kube: &mut Kube) -> Outcome<()> {
    delete(kube, "clusters", "cluster")
}

pub fn delete_user(kube: &mut Kube) -> Outcome<()> {
    delete(kube, "users", "user")
}

pub fn rename_context(kube: &mut Kube) -> Outcome<()> {
    let [old, new] = &kube.args.words[..] else { return fail("Unexpected args: rename-context CONTEXT_NAME NEW_NAME") };
    let (old, new) = (old.clone(), new.clone());
    let config = load(kube)?;
    if config.find("contexts", &old).is_none() {
        return fail(format!("cannot rename the context {}, it's not in {}", quote(&old), config.target));
    }
    if config.find("contexts", &new).is_some() {
        return fail(format!(
            "cannot rename the context {}, the context {} already exists in {}",
            quote(&old),
            quote(&new),
            config.target
        ));
    }
    change(kube, "contexts", &old, |file| {
        for item in file["contexts"].as_array_mut().into_iter().flatten() {
            if item["name"] == old.as_str() {
                item["name"] = new.clone().into();
            }
        }
        if file["current-context"] == old.as_str() {
            file["current-context"] = new.clone().into();
        }
    })?;
    kube.print(format!("Context {} renamed to {}.\n", quote(&old), quote(&new)));
    Ok(())
}

/// `set users.alice.token x`: a property by its path.
pub fn set(kube: &mut Kube) -> Outcome<()> {
    let [path, value] = &kube.args.words[..] else { return fail("unexpected args: set PROPERTY_NAME PROPERTY_VALUE") };
    let (path, value) = (path.clone(), value.clone());
    property(kube, &path, Some(value))?;
    kube.print(format!("Property {} set.\n", quote(&path)));
    Ok(())
}

pub fn unset(kube: &mut Kube) -> Outcome<()> {
    let path = one_word(kube)?;
    property(kube, &path, None)?;
    kube.print(format!("Property {} unset.\n", quote(&path)));
    Ok(())
}

fn property(kube: &mut Kube, path: &str, value: Option<String>) -> Outcome<()> {
    if path == "current-context" {
        return change(kube, "", "", |file| file["current-context"] = value.unwrap_or_default().into());
    }
    let (section, rest) = path.split_once('.').unwrap_or((path, ""));
    if !SECTIONS.iter().any(|(known, _)| *known == section) || rest.is_empty() {
        return fail(format!("unable to locate path {path}"));
    }
    // A name may have dots of its own: the field stands behind the last one.
    let (name, field) = match (rest.rsplit_once('.'), &value) {
        (Some((name, field)), _) => (name.to_owned(), field.to_owned()),
        (None, None) => (rest.to_owned(), String::new()),
        (None, Some(_)) => return fail(format!("unable to parse {path} at {rest}")),
    };
    let section = section.to_owned();
    change(kube, &section, &name, |file| match value {
        Some(value) => {
            let value = match &value[..] {
                "true" | "false" => (value == "true").into(),
                _ => Value::from(value),
            };
            entry(file, &section, &name)[&field] = value;
        }
        None if field.is_empty() => {
            file[&section]
                .as_array_mut()
                .into_iter()
                .for_each(|items| items.retain(|item| item["name"] != name.as_str()));
        }
        None => drop(entry(file, &section, &name).as_object_mut().and_then(|own| own.shift_remove(&field))),
    })
}
