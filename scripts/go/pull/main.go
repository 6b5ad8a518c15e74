// Pull asks for the manifest of an image as containerd, k3s or Podman does, by a configuration of theirs, and prints its
// digest: pull containerd FOLDER REF | pull k3s FILE REF | pull podman FILE REF.
//
// What reads the configuration and chooses the host is each project's own code. The manifest's bytes are hashed here, so
// that no header is taken at its word.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	containerd "github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/opencontainers/go-digest"
	"github.com/rancher/wharfie/pkg/registries"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"
)

// viaContainerd takes a whole reference, as containerd does: with host, and with tag or digest.
func viaContainerd(ctx context.Context, folder, ref string) ([]byte, error) {
	hosts := config.ConfigureHosts(ctx, config.HostOptions{HostDir: config.HostDirFromRoot(folder)})
	resolver := containerd.NewResolver(containerd.ResolverOptions{Hosts: hosts})
	resolved, found, err := resolver.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	fetcher, err := resolver.Fetcher(ctx, resolved)
	if err != nil {
		return nil, err
	}
	content, err := fetcher.Fetch(ctx, found)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	return io.ReadAll(content)
}

// viaK3s takes no index: k3s chooses the machine's own architecture.
func viaK3s(_ context.Context, file, ref string) ([]byte, error) {
	known, err := registries.GetPrivateRegistries(file)
	if err != nil {
		return nil, err
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, err
	}
	image, err := known.Image(parsed)
	if err != nil {
		return nil, err
	}
	return image.RawManifest()
}

func viaPodman(ctx context.Context, file, ref string) ([]byte, error) {
	parsed, err := docker.ParseReference("//" + ref)
	if err != nil {
		return nil, err
	}
	// This machine's own configuration must not count.
	none, err := os.MkdirTemp("", "none")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(none)
	system := &types.SystemContext{SystemRegistriesConfPath: file, SystemRegistriesConfDirPath: none}
	source, err := parsed.NewImageSource(ctx, system)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	manifest, _, err := source.GetManifest(ctx, nil)
	return manifest, err
}

func main() {
	ways := map[string]func(context.Context, string, string) ([]byte, error){
		"containerd": viaContainerd, "k3s": viaK3s, "podman": viaPodman,
	}
	if len(os.Args) != 4 || ways[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: pull containerd|k3s|podman CONFIGURATION REF")
		os.Exit(2)
	}
	manifest, err := ways[os.Args[1]](context.Background(), os.Args[2], os.Args[3])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(digest.FromBytes(manifest))
}
