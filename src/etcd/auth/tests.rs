//! The store of users and roles by itself; the traces cover what it does behind a server.

use super::*;
use crate::sim::Micros;

const NOW: SimTime = SimTime::ZERO;

fn add(store: &mut AuthStore, name: &str, password: &str) {
    let hashed_password = BASE64.encode(password::hash(password, password::COST_MIN, [3; 16]));
    let request = AuthUserAddRequest { name: name.to_owned(), hashed_password, ..Default::default() };
    store.user_add(&request).expect("a new name");
}

fn grant(store: &mut AuthStore, role: &str, kind: PermissionType, key: &'static str, end: &'static str) {
    let perm = Permission { perm_type: kind as i32, key: key.into(), range_end: end.into() };
    let request = AuthRoleGrantPermissionRequest { name: role.to_owned(), perm: Some(perm) };
    store.role_grant_permission(&request).expect("a known role");
}

/// `root` may do everything, `ann` may read from `a` up to `b` and write `w`.
fn store() -> AuthStore {
    let mut store = AuthStore::new(Tokens::new(TokenKind::Simple, 1));
    assert_eq!(store.enable(NOW), Err(EtcdError::RootUserNotExist));
    add(&mut store, "root", "r");
    assert_eq!(store.enable(NOW), Err(EtcdError::RootRoleNotExist));
    store.user_grant_role("root", "root").expect("the role needs no entry");
    add(&mut store, "ann", "p");
    store.role_add("some").expect("a new name");
    grant(&mut store, "some", PermissionType::Read, "a", "b");
    grant(&mut store, "some", PermissionType::Write, "w", "");
    store.user_grant_role("ann", "some").expect("both are there");
    store.enable(NOW).expect("root is there");
    store
}

fn info(store: &AuthStore, name: &str) -> AuthInfo {
    AuthInfo { username: name.to_owned(), revision: store.revision() }
}

#[test]
fn rights_end_when_the_role_changes() {
    let mut store = store();
    let ann = info(&store, "ann");
    assert_eq!(store.check_read(&ann, b"a", b"b"), Ok(()));
    assert_eq!(store.check_read(&ann, b"a", b"c"), Err(EtcdError::PermissionDenied));
    assert_eq!(store.check_write(&ann, b"w", b""), Ok(()));
    let revoke = AuthRoleRevokePermissionRequest { role: "some".to_owned(), key: "w".into(), range_end: "".into() };
    store.role_revoke_permission(&revoke).expect("it was granted");
    assert_eq!(store.check_write(&ann, b"w", b""), Err(EtcdError::AuthOldRevision));
    assert_eq!(store.check_write(&info(&store, "ann"), b"w", b""), Err(EtcdError::PermissionDenied));
    assert_eq!(store.role_revoke_permission(&revoke), Err(EtcdError::PermissionNotGranted));
    store.role_delete("some").expect("it is there");
    assert_eq!(store.user_roles("ann"), Ok(Vec::new()));
    assert_eq!(store.check_read(&info(&store, "ann"), b"a", b""), Err(EtcdError::PermissionDenied));
}

#[test]
fn nobody_is_not_root() {
    let store = store();
    assert_eq!(store.check_read(&AuthInfo::default(), b"a", b""), Err(EtcdError::UserEmpty));
    assert_eq!(store.check_admin(None), Err(EtcdError::UserEmpty));
    assert_eq!(store.check_admin(Some(&info(&store, "ann"))), Err(EtcdError::PermissionDenied));
    assert_eq!(store.check_admin(Some(&info(&store, "root"))), Ok(()));
    assert_eq!(store.check_read(&info(&store, "root"), b"\0", b"\0"), Ok(()));
}

#[test]
fn a_password_change_ends_the_tokens_of_its_user() {
    let mut store = store();
    assert_eq!(store.check_password("ann", "wrong"), Err(EtcdError::AuthFailed));
    assert_eq!(store.check_password("ann", "p"), Ok(store.revision()));
    let token = store.authenticate("ann", "word", Index(1), NOW).expect("authentication is on");
    let root = store.authenticate("root", "word", Index(2), NOW).expect("authentication is on");
    let hashed_password = BASE64.encode(password::hash("new", password::COST_MIN, [4; 16]));
    let request = AuthUserChangePasswordRequest { name: "ann".to_owned(), hashed_password, ..Default::default() };
    store.user_change_password(&request).expect("the user is there");
    let revision = store.revision();
    assert_eq!(store.tokens.info(&token, revision, NOW), None);
    assert!(store.tokens.info(&root, revision, NOW + Micros(1)).is_some());
    assert_eq!(store.check_password("ann", "new"), Ok(revision));
}

#[test]
fn root_keeps_its_rights_while_they_matter() {
    let mut store = store();
    let refused = Err(EtcdError::InvalidAuthMgmt);
    assert_eq!(store.user_delete("root"), refused);
    assert_eq!(store.user_revoke_role("root", "root"), refused);
    assert_eq!(store.role_delete("root"), refused);
    let revision = store.revision();
    store.disable();
    store.disable();
    assert_eq!(store.revision(), revision + 1);
    assert_eq!(store.user_delete("root"), Ok(()));
    assert_eq!(store.role_delete("root"), Err(EtcdError::RoleNotFound));
}

#[test]
fn what_is_read_back_permits_the_same() {
    let store = store();
    let (users, roles) = (store.users().cloned(), store.roles().cloned());
    let again = AuthStore::restore(store.switch(), store.revision(), users, roles, Tokens::new(TokenKind::Simple, 1));
    let ann = info(&store, "ann");
    assert_eq!(again.check_read(&ann, b"a", b"b"), Ok(()));
    assert_eq!(again.check_read(&ann, b"w", b""), Err(EtcdError::PermissionDenied));
}
