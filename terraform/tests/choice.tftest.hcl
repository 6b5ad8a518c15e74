# Which image serves whom. `terraform test` runs this; it needs Terraform 1.6.

variables {
  index = file("examples/image-index.json")
}

# Every region there is, with replicas in us, eu and asia: read by eye.
run "every_region" {
  command = plan

  variables {
    where = [
      "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3", "asia-south1",
      "asia-south2", "asia-southeast1", "asia-southeast2", "asia-southeast3", "australia-southeast1",
      "australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1",
      "europe-west10", "europe-west12", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8",
      "europe-west9", "me-central1", "me-central2", "me-west1", "northamerica-northeast1", "northamerica-northeast2",
      "northamerica-south1", "southamerica-east1", "southamerica-west1", "us-central1", "us-east1", "us-east4",
      "us-east5", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4",
    ]
  }

  assert {
    condition = { for place, replica in output.replicas : "${replica.location} ${replica.tier}" => place... } == {
      "us 1" = [
        "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4",
      ]
      "us 2" = ["northamerica-northeast1", "northamerica-northeast2", "northamerica-south1"]
      "us 3" = ["southamerica-east1", "southamerica-west1"]
      "eu 1" = [
        "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1", "europe-west10",
        "europe-west12", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8", "europe-west9",
      ]
      "eu 3" = ["africa-south1", "me-central1", "me-central2", "me-west1"]
      "asia 1" = [
        "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3", "asia-south1", "asia-south2",
        "asia-southeast1", "asia-southeast2", "asia-southeast3",
      ]
      "asia 3" = ["australia-southeast1", "australia-southeast2"]
    }
    error_message = "A region is served from elsewhere."
  }
}

run "what_is_asked_for_is_the_key" {
  command = plan

  variables {
    where = ["europe-west4-a", "europe-west4", "eu", "europe-newer7-c", "atlantis-south1"]
  }

  assert {
    condition = output.images == {
      europe-west4-a  = "projects/acme-images/global/images/web-v1-eu"
      europe-west4    = "projects/acme-images/global/images/web-v1-eu"
      eu              = "projects/acme-images/global/images/web-v1-eu"
      europe-newer7-c = "projects/acme-images/global/images/web-v1-eu"
      # Nothing is known of where that is: the first by name.
      atlantis-south1 = "projects/acme-images/global/images/web-v1-asia"
    }
    error_message = "A place has another image, or another key."
  }
}

run "another_architecture" {
  command = plan

  variables {
    architecture = "ARM64"
    where        = ["asia-east1-a"]
  }

  assert {
    condition = output.replicas == {
      asia-east1-a = {
        image    = "projects/acme-images/global/images/web-arm64-v1-eu"
        id       = "5203942934761"
        location = "eu"
        tier     = 3
      }
    }
    error_message = "There is no replica of it in Asia: Taiwan is nearer to eu than to us."
  }

  assert {
    condition     = output.families == { asia-east1-a = "web-arm64-eu" }
    error_message = "The family is that of the image that was chosen."
  }
}

run "the_digest_is_that_of_the_file" {
  command = plan

  variables {
    where  = []
    digest = "sha256:6eb20876df6852721858e87bc832a87db86a09e5deae51b4323876660128bdff"
  }

  assert {
    condition     = output.digest == var.digest && output.images == {}
    error_message = "The digest differs from the action's output index_digest."
  }
}

run "the_only_variant_need_not_be_named" {
  command = plan

  variables {
    index = replace(file("examples/image-index.json"), "\"variant\": \"\"", "\"variant\": \"gpu\"")
    where = ["us"]
  }

  assert {
    condition     = output.replicas.us.id == "4203942934759"
    error_message = "There is one image of the architecture only."
  }
}
