"""What many cases begin with: a script of two versions, and the names and values it is made of."""

from tests.fold.building import change, code, given, module, replace, secret, version_of

KV = {"type": "kv_namespace", "namespace_id": "8ad0"}
D1 = {"type": "d1", "id": "77aa"}
SERVICE = {"type": "service", "service": "tax"}
LIVE = {"text": "live"}
ROUTE = {"zone": "acme.example"}
MAIN = "code main added"
INDEX = "code modules/index.js"

FULL = change(
    "v1",
    code=code("1"),
    bindings=replace(CART=KV),
    config=replace(usage_model="bundled", vars={"STAGE": LIVE}, secrets={"KEY": secret("a")}),
)
FULL_CHANGES = (
    "bindings CART added",
    MAIN,
    f"{INDEX} added",
    "config secrets/KEY added",
    "config usage_model added",
    "config vars/STAGE added",
)
MANIFEST = {
    "bindings": {"CART": KV},
    "code": {"main": "index.js", "modules": {"index.js": module("1")}},
    "config": {"secrets": {"KEY": secret("a")}, "usage_model": "bundled", "vars": {"STAGE": LIVE}},
}
FIRST = given(FULL)
SECOND = given(change("v2", code=code("2")))
V1, V2, V3 = (version_of(event) for event in ("v1", "v2", "v3"))
SPLIT = given(change("split", deploy={V1: 90, V2: 10}))
