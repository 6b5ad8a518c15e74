# What is refused, and that nothing is chosen then. `terraform test` runs this; it needs Terraform 1.6.

variables {
  index = file("examples/image-index.json")
  where = ["us-east1-b"]
}

run "no_json" {
  command = plan
  variables {
    index = "<html>not found</html>"
  }
  expect_failures = [output.images]
}

run "a_newer_schema" {
  command = plan
  variables {
    index = replace(file("examples/image-index.json"), "\"schema\": 1", "\"schema\": 2")
  }
  expect_failures = [output.images]
}

run "what_is_no_address_of_an_image" {
  command = plan
  variables {
    index = replace(file("examples/image-index.json"), "projects/acme-images/global/images/web-v1-eu", "http://images/web-v1-eu")
  }
  expect_failures = [output.images]
}

run "another_digest" {
  command = plan
  variables {
    digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }
  expect_failures = [output.images]
}

run "no_such_architecture" {
  command = plan
  variables {
    architecture = "ARCHITECTURE_UNSPECIFIED"
  }
  expect_failures = [output.images]
}

run "no_such_variant" {
  command = plan
  variables {
    variant = "gpu"
  }
  expect_failures = [output.images]
}

run "one_image_twice" {
  command = plan
  variables {
    index = replace(file("examples/image-index.json"), "\"ARM64\"", "\"X86_64\"")
  }
  expect_failures = [output.images]
}

run "too_far_with_none" {
  command = plan
  variables {
    fallback = "none"
    where    = ["us-east1", "me-west1"]
  }
  expect_failures = [output.images]
}

run "too_far_with_continent" {
  command = plan
  variables {
    fallback = "continent"
    where    = ["northamerica-south1", "australia-southeast1"]
  }
  expect_failures = [output.images]
}

run "near_enough" {
  command = plan
  variables {
    fallback = "continent"
    where    = ["northamerica-south1"]
  }
  assert {
    condition     = output.replicas.northamerica-south1.tier == 2
    error_message = "Mexico is on the continent of us."
  }
}

run "what_is_no_place" {
  command = plan
  variables {
    where = ["europe", "us-east1-b"]
  }
  expect_failures = [var.where]
}

run "what_is_no_digest" {
  command = plan
  variables {
    digest = "6eb20876df6852721858e87bc832a87db86a09e5deae51b4323876660128bdff"
  }
  expect_failures = [var.digest]
}

run "what_is_no_architecture" {
  command = plan
  variables {
    architecture = "x86_64"
  }
  expect_failures = [var.architecture]
}

run "what_is_no_fallback" {
  command = plan
  variables {
    fallback = "far"
  }
  expect_failures = [var.fallback]
}
