//! Amounts of resources by name, and what a pod asks for in sum.
//!
//! Upstream: `k8s.io/component-helpers/resource`, `k8s.io/apiserver/pkg/quota/v1/resources.go`.

use serde_json::Value;
use std::collections::BTreeMap;

use crate::k8s::apiserver::object::{entries, list, text};
use crate::k8s::meta::quantity::{Format, Quantity};

/// `cpu`, `memory`, `requests.storage` and how much of it.
pub type Amounts = BTreeMap<String, Quantity>;

/// Amounts as an object holds them.
pub(super) fn read(amounts: &Value) -> Amounts {
    let read = |(name, amount): (&String, &Value)| {
        let amount = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        Some((name.clone(), Quantity::parse(&amount).ok()?))
    };
    entries(amounts).filter_map(read).collect()
}

pub(super) fn write(amounts: &Amounts) -> Value {
    amounts.iter().map(|(name, amount)| (name.clone(), Value::from(amount.to_string()))).collect()
}

pub(super) fn count(number: usize) -> Quantity {
    Quantity::new(i64::try_from(number).unwrap_or(i64::MAX), Format::DecimalSi)
}

pub(super) fn add(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let sum = to.get(name).map_or_else(|| amount.clone(), |own| own.add(amount));
        to.insert(name.clone(), sum);
    }
}

fn raise(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if to.get(name).is_none_or(|own| own.cmp_value(amount).is_lt()) {
            to.insert(name.clone(), amount.clone());
        }
    }
}

/// What the containers of a pod ask for at the same time at most, and its overhead.
pub fn pod_requests(pod: &Value) -> Amounts {
    let mut requests = of_containers(&pod["spec"], "requests");
    add(&mut requests, &read(&pod["spec"]["overhead"]));
    requests
}

/// What the containers of a pod may use at the same time at most.
pub fn pod_limits(pod: &Value) -> Amounts {
    let mut limits = of_containers(&pod["spec"], "limits");
    // Overhead is added to what is limited, and limits nothing by itself.
    let overhead = read(&pod["spec"]["overhead"]).into_iter().filter(|(name, _)| limits.contains_key(name)).collect();
    add(&mut limits, &overhead);
    limits
}

fn of_containers(spec: &Value, kind: &str) -> Amounts {
    let mut total = Amounts::new();
    for container in list(spec, "containers") {
        add(&mut total, &read(&container["resources"][kind]));
    }
    // Init containers run one after the other, sidecars from their start on.
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in list(spec, "initContainers") {
        let own = read(&container["resources"][kind]);
        let mut running = sidecars.clone();
        add(&mut running, &own);
        if text(container, "restartPolicy") == "Always" {
            add(&mut total, &own);
            sidecars = running.clone();
        }
        raise(&mut highest, &running);
    }
    raise(&mut total, &highest);
    // What is said of the whole pod goes before what is said of its containers.
    total.extend(read(&spec["resources"][kind]));
    total
}
