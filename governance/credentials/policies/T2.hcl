# T2 Automator. Generated from governance/tiers.py by make docs.
# Tokens live 15 minutes, never beyond the plan's deadline (60 minutes at most).

path "firebreak/metadata/*" {
  capabilities = ["read", "list"]
}

path "firebreak/data/sandbox/*" {
  capabilities = ["create", "read", "update"]
}

path "firebreak/data/staging/*" {
  capabilities = ["create", "read", "update"]
}

path "firebreak/data/production/*" {
  capabilities = ["create", "read", "update"]
}

path "sys/init" {
  capabilities = ["deny"]
}

path "sys/generate-root/*" {
  capabilities = ["deny"]
}

path "sys/rekey/*" {
  capabilities = ["deny"]
}

path "sys/unseal" {
  capabilities = ["deny"]
}

path "sys/seal" {
  capabilities = ["deny"]
}

path "sys/policy/*" {
  capabilities = ["deny"]
}

path "sys/policies/*" {
  capabilities = ["deny"]
}

path "sys/auth/*" {
  capabilities = ["deny"]
}
