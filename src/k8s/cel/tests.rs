//! Kubernetes' expressions: what its functions give, and its words for what is wrong.

use serde_json::{Value as Json, json};

use super::*;

fn evaluated(source: &str) -> Result<Json, String> {
    let object = json!({"spec": {"replicas": 3, "image": "nginx:1.27", "ratio": 0.5, "limits": {"cpu": "500m", "memory": "1Gi"},
        "when": "2026-11-21T20:15:30Z", "tags": ["b", "a", "c"], "a-b": 1, "namespace": "x"}});
    let variables = BTreeMap::from([("object".to_owned(), object), ("self".to_owned(), json!({"a": 1}))]);
    compile(source, &["object", "self", "oldSelf"])?.evaluate(&variables)
}

#[track_caller]
fn check(table: &[(&str, Json)]) {
    for (source, expected) in table {
        assert_eq!(evaluated(source), Ok(expected.clone()), "{source}");
    }
}

#[test]
fn objects_are_reached_into() {
    check(&[
        ("object.spec.replicas > 2 && object.spec.image.startsWith('nginx')", json!(true)),
        ("has(object.spec.replicas) && !has(object.spec.paused)", json!(true)),
        ("object.spec.tags.all(t, t.size() == 1)", json!(true)),
        ("object.spec.a__dash__b + 1", json!(2)),
        ("object.spec.__namespace__", json!("x")),
        ("object.spec['a-b']", json!(1)),
        ("oldSelf == null", json!(true)),
        ("object.spec.ratio * 2.0 == 1.0", json!(true)),
        ("object.spec.replicas < 3.5", json!(true)),
        ("type(object.spec.replicas) == int && type('') == string", json!(true)),
        ("{'a': [1, 2.5, 'x', null]}", json!({"a": [1, 2.5, "x", null]})),
    ]);
}

#[test]
fn functions_of_texts_and_lists() {
    check(&[
        ("'abc'.matches('^a.*c$') && !'abc'.matches('^b')", json!(true)),
        ("matches('10.0.0.1', r'^\\d+(\\.\\d+){3}$')", json!(true)),
        ("'a,b,c'.split(',')", json!(["a", "b", "c"])),
        ("'a,b,c'.split(',', 2)", json!(["a", "b,c"])),
        ("['a', 'b'].join('-') + ['c'].join()", json!("a-bc")),
        ("'höher'.charAt(1) + 'tacocat'.substring(4) + 'tacocat'.substring(0, 4)", json!("öcattaco")),
        ("'hello'.indexOf('l') * 10 + 'hello'.lastIndexOf('l')", json!(23)),
        ("'hello'.indexOf('l', 3)", json!(3)),
        ("' X '.trim().lowerAscii() + 'y'.upperAscii()", json!("xY")),
        ("'aaa'.replace('a', 'b', 2)", json!("bba")),
        ("'abc 123'.find('[0-9]+') + string('1 2 3'.findAll('[0-9]').size())", json!("1233")),
        ("[1, 2, 3].sum() + [4, 2].min() + [4, 2].max()", json!(12)),
        ("[1, 2, 2].isSorted() && !['b', 'a'].isSorted()", json!(true)),
        ("object.spec.tags.indexOf('c')", json!(2)),
    ]);
}

#[test]
fn amounts_and_moments() {
    check(&[
        ("quantity(object.spec.limits.cpu).isLessThan(quantity('1'))", json!(true)),
        ("quantity('1Gi').compareTo(quantity('1024Mi'))", json!(0)),
        ("quantity('50k').add(20).asInteger()", json!(50_020)),
        ("isQuantity('1.3Zi')", json!(false)),
        ("quantity('1500m').isInteger()", json!(false)),
        ("quantity('1500m').asApproximateFloat() == 1.5", json!(true)),
        ("string(quantity('0.5').sub(quantity('100m')))", json!("400m")),
        ("timestamp(object.spec.when).getFullYear() * 100 + timestamp(object.spec.when).getMonth()", json!(202_610)),
        ("timestamp(object.spec.when).getDayOfWeek()", json!(6)),
        ("timestamp('2026-11-21T00:00:00Z') + duration('36h') == timestamp('2026-11-22T12:00:00Z')", json!(true)),
        ("timestamp('2026-11-21T00:00:10Z') - timestamp('2026-11-21T00:00:00Z') == duration('10s')", json!(true)),
        ("duration('1h30m').getMinutes()", json!(90)),
        ("duration('90s')", json!("90s")),
        ("int(timestamp('1970-01-01T00:01:00Z'))", json!(60)),
        ("int('7') + int(2.9) + int(3u)", json!(12)),
        ("double('1') + double(2) == 3.0", json!(true)),
        ("uint(3) == 3u && bool('true')", json!(true)),
    ]);
}

#[test]
fn what_goes_wrong_while_evaluating() {
    let table = [
        ("self.b > 1", "no such key: b"),
        ("1 / (self.a - 1)", "division by zero"),
        ("1 % (self.a - 1)", "modulus by zero"),
        ("self.a + 'x'", "no such overload"),
        ("object.spec.tags[7]", "index out of bounds: 7"),
        ("9223372036854775807 + self.a", "integer overflow"),
        ("'x'.substring(3)", "index out of range: 3"),
        (
            "[1, 2, 3, 4, 5, 6, 7, 8].all(a, [1, 2, 3, 4, 5, 6, 7, 8].all(b, [1, 2, 3, 4, 5, 6, 7, 8].all(c, \
          [1, 2, 3, 4, 5, 6, 7, 8].all(d, [1, 2, 3, 4, 5, 6, 7, 8].all(e, [1, 2, 3, 4, 5, 6, 7, 8].all(f, \
          a + b + c + d + e + f > 0))))))",
            "operation cancelled: actual cost limit exceeded",
        ),
    ];
    for (source, expected) in table {
        assert_eq!(evaluated(source), Err(expected.to_owned()), "{source}");
    }
}

#[test]
fn what_goes_wrong_while_compiling() {
    let error = compile("self.a >", &["self"]).unwrap_err();
    assert!(error.starts_with("ERROR: <input>:1:9: Syntax error: mismatched input '<EOF>' expecting {"), "{error}");
    assert!(error.ends_with("\n | self.a >\n | ........^"), "{error}");
    let error = compile("object.x == 1", &["self"]).unwrap_err();
    assert_eq!(error, "ERROR: <input>:1:1: undeclared reference to 'object' (in container '')\n | object.x == 1\n | ^");
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"},
        "l": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}}}});
    let ty = Type::of_schema(&schema, false);
    let typed = |source: &str| compile_typed(source, &[("self", ty.clone())], Some("bool")).map(drop);
    assert_eq!(typed("self.n > 1 && self.l.all(x, x.k != '') && self.m.foo == 1 && size(self.s) > 0"), Ok(()));
    let error = typed("self.x > 1").unwrap_err();
    assert_eq!(error, "ERROR: <input>:1:5: undefined field 'x'\n | self.x > 1\n | ....^");
    assert!(typed("self.l.exists(x, x.z == '')").unwrap_err().contains("undefined field 'z'"));
    let error = typed("self.n == self.s").unwrap_err();
    assert!(error.contains("found no matching overload for '_==_' applied to '(int, string)'"), "{error}");
    assert_eq!(typed("self.n + 1"), Err("must evaluate to a bool".to_owned()));
    assert!(typed("self.n.foo == 1").unwrap_err().contains("type 'int' does not support field selection"));
}

#[test]
fn which_variables_are_named() {
    let program = compile("self.a == oldSelf.a", &["self", "oldSelf"]).unwrap();
    assert!(program.mentions("oldSelf"));
    assert!(!compile("self.oldSelf == 1", &["self", "oldSelf"]).unwrap().mentions("oldSelf"));
}

#[test]
fn who_may_do_what() {
    struct Gate;
    impl Authorizer for Gate {
        fn check(&self, question: &Question) -> Verdict {
            let is_allowed = question.verb == "get" && question.resource == "pods" && question.namespace == "a";
            Verdict { is_allowed, reason: format!("{:?}", question.account) }
        }

        fn requested(&self) -> Question {
            Question { resource: "pods".to_owned(), namespace: "a".to_owned(), ..Question::default() }
        }
    }
    let asked = |source: &str| compile(source, &["object", "authorizer"])?.evaluate_asking(&BTreeMap::new(), &Gate);
    assert_eq!(asked("authorizer.group('').resource('pods').namespace('a').check('get').allowed()"), Ok(json!(true)));
    assert_eq!(asked("authorizer.group('').resource('pods').namespace('b').check('get').allowed()"), Ok(json!(false)));
    assert_eq!(asked("authorizer.requestResource.check('get').allowed()"), Ok(json!(true)));
    assert_eq!(asked("authorizer.path('/healthz').check('get').allowed()"), Ok(json!(false)));
    let reason = "authorizer.serviceAccount('x', 'y').group('').resource('pods').check('get').reason()";
    assert_eq!(asked(reason), Ok(json!("Some((\"x\", \"y\"))")));
    assert_eq!(asked("authorizer.allowed()"), Err("no such overload".to_owned()));
    assert!(compile("object.check('x')", &["object"]).is_err());
}
