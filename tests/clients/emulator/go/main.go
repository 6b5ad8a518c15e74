// Both of Google's Go clients, unmodified, against the emulator whose URL is the only argument.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	gapic "cloud.google.com/go/compute/apiv1"
	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

const source = "projects/p1/global/images/web"

func main() {
	ctx := context.Background()
	for name, try := range map[string]func(context.Context, string) error{"rest": rest, "gapic": generated} {
		if err := try(ctx, os.Args[1]); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
	fmt.Println("ok")
}

func rest(ctx context.Context, url string) error {
	service, err := compute.NewService(ctx, option.WithEndpoint(url+"/compute/v1/"), option.WithoutAuthentication())
	if err != nil {
		return err
	}
	image := &compute.Image{Name: "by-rest", SourceImage: source, StorageLocations: []string{"eu"}}
	operation, err := service.Images.Insert("p1", image).Context(ctx).Do()
	for err == nil && operation.Status != "DONE" {
		operation, err = service.GlobalOperations.Wait("p1", operation.Name).Context(ctx).Do()
	}
	if err != nil {
		return err
	}
	made, err := service.Images.Get("p1", "by-rest").Do()
	if err != nil {
		return err
	}
	if made.Status != "READY" || made.StorageLocations[0] != "eu" {
		return fmt.Errorf("got %+v", made)
	}
	labels := &compute.GlobalSetLabelsRequest{LabelFingerprint: made.LabelFingerprint, Labels: map[string]string{"a": "b"}}
	if _, err = service.Images.SetLabels("p1", "by-rest", labels).Do(); err != nil {
		return err
	}
	policy, err := service.Images.GetIamPolicy("p1", "by-rest").OptionsRequestedPolicyVersion(3).Do()
	if err != nil {
		return err
	}
	policy.Bindings = append(policy.Bindings, &compute.Binding{Role: "roles/compute.imageUser", Members: []string{"allAuthenticatedUsers"}})
	if _, err = service.Images.SetIamPolicy("p1", "by-rest", &compute.GlobalSetPolicyRequest{Policy: policy}).Do(); err != nil {
		return err
	}
	_, err = service.Images.Insert("p1", image).Do()
	var refused *googleapi.Error
	if !errors.As(err, &refused) || refused.Code != 409 || refused.Errors[0].Reason != "alreadyExists" {
		return fmt.Errorf("a name taken: %v", err)
	}
	return nil
}

func generated(ctx context.Context, url string) error {
	client, err := gapic.NewImagesRESTClient(ctx, option.WithEndpoint(url), option.WithoutAuthentication())
	if err != nil {
		return err
	}
	defer client.Close()
	name, from, project := "by-gapic", source, "p1"
	image := &computepb.Image{Name: &name, SourceImage: &from, StorageLocations: []string{"asia"}}
	operation, err := client.Insert(ctx, &computepb.InsertImageRequest{Project: project, ImageResource: image})
	if err != nil {
		return err
	}
	if err = operation.Wait(ctx); err != nil {
		return err
	}
	made, err := client.Get(ctx, &computepb.GetImageRequest{Project: project, Image: name})
	if err != nil {
		return err
	}
	if made.GetStatus() != "READY" || made.GetStorageLocations()[0] != "asia" {
		return fmt.Errorf("got %v", made)
	}
	_, err = client.Get(ctx, &computepb.GetImageRequest{Project: project, Image: "none"})
	var refused *googleapi.Error
	if !errors.As(err, &refused) || refused.Code != 404 {
		return fmt.Errorf("no such image: %v", err)
	}
	return nil
}
