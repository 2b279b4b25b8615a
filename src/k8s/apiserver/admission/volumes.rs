//! Defaults that one object of a kind sets for others, and volumes that are kept while they are used.
//!
//! Upstream: `plugin/pkg/admission/storage/*`, `plugin/pkg/admission/network/defaultingressclass`.

use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

use super::{Effect, Outcome, Review, resources};
use crate::k8s::apiserver::object::{annotation, inner, is_true, list_mut, name, text};

const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) fn set_class(review: &mut Review) -> Effect {
    let claim = review.object();
    let has_class = !claim["spec"]["storageClassName"].is_null() || annotation(claim, BETA_CLASS).is_some();
    if !review.is_whole("", "persistentvolumeclaims") || has_class {
        return Ok(None);
    }
    let marks = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    set_default(review, ("storage.k8s.io", "storageclasses"), &marks, "storageClassName")
}

pub(super) fn set_ingress_class(review: &mut Review) -> Effect {
    let ingress = review.object();
    let has_class =
        !ingress["spec"]["ingressClassName"].is_null() || annotation(ingress, "kubernetes.io/ingress.class").is_some();
    if !review.is_whole("networking.k8s.io", "ingresses") || has_class {
        return Ok(None);
    }
    let marks = ["ingressclass.kubernetes.io/is-default-class"];
    set_default(review, ("networking.k8s.io", "ingressclasses"), &marks, "ingressClassName")
}

/// Sets the class that is marked as the default; of several the newest, of these the first by name.
fn set_default(review: &mut Review, classes: (&str, &str), marks: &[&str], field: &str) -> Effect {
    let is_default = |class: &Arc<Value>| marks.iter().any(|mark| annotation(class, mark) == Some("true"));
    let classes = review.lister.list(classes.0, classes.1, "").into_iter().filter(is_default);
    let newest = |class: &Arc<Value>| {
        (Reverse(text(&class["metadata"], "creationTimestamp").to_owned()), name(class).to_owned())
    };
    let Some(class) = classes.min_by_key(newest) else { return Ok(None) };
    let Some(object) = &mut review.object else { return Ok(None) };
    inner(object, "spec")[field] = name(&class).into();
    Ok(Some(format!("{field} {}", name(&class))))
}

pub(super) fn protect(review: &mut Review) -> Effect {
    let finalizer = match (&review.attributes.group[..], &review.attributes.resource[..]) {
        _ if !review.attributes.subresource.is_empty() => return Ok(None),
        ("", "persistentvolumeclaims") => "kubernetes.io/pvc-protection",
        ("", "persistentvolumes") => "kubernetes.io/pv-protection",
        ("storage.k8s.io", "volumeattributesclasses") => "kubernetes.io/vac-protection",
        _ => return Ok(None),
    };
    let Some(object) = &mut review.object else { return Ok(None) };
    let finalizers = list_mut(inner(object, "metadata"), "finalizers");
    if finalizers.iter().any(|own| own == finalizer) {
        return Ok(None);
    }
    finalizers.push(finalizer.into());
    Ok(Some(format!("finalizer {finalizer}")))
}

/// A claim grows only if what provisioned its volume can let it.
pub(super) fn check_resize(review: &Review, _: &mut Outcome) -> Effect {
    if !review.is_whole("", "persistentvolumeclaims") {
        return Ok(None);
    }
    let size = |claim: &Value| resources::read(&claim["spec"]["resources"]["requests"]).remove("storage");
    let (Some(old_size), Some(new_size)) = (size(review.old()), size(review.object())) else { return Ok(None) };
    if !new_size.cmp_value(&old_size).is_gt() {
        return Ok(None);
    }
    if text(&review.old()["status"], "phase") != "Bound" {
        return Err(review.forbidden("Only bound persistent volume claims can be expanded"));
    }
    let of_claim =
        annotation(review.object(), BETA_CLASS).unwrap_or(text(&review.object()["spec"], "storageClassName"));
    let class = review.lister.get("storage.k8s.io", "storageclasses", "", of_claim);
    if !class.is_some_and(|class| is_true(&class, "allowVolumeExpansion")) {
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support \
                   resize";
        return Err(review.forbidden(why));
    }
    Ok(Some(format!("from {old_size} to {new_size}")))
}
