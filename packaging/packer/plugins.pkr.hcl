# For `packer init`. In a file of its own, since Packer before 1.7 has the builder built in and knows no required_plugins.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1"
    }
  }
}
