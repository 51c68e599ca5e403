// descriptors prints, as JSON in a stable order, the protobuf descriptors that
// the reference server speaks by: what the project's own table of messages and
// methods is compared with. They are read from the generated code as it is
// registered at run time, so no .proto file has to be parsed or kept.
// Of custom options the paths of the JSON gateway alone are printed.
package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// Each import registers the descriptors of one package.
	_ "go.etcd.io/etcd/api/v3/authpb"
	_ "go.etcd.io/etcd/api/v3/etcdserverpb"
	_ "go.etcd.io/etcd/api/v3/mvccpb"
	_ "go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	_ "go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	_ "google.golang.org/grpc/health/grpc_health_v1"
)

// The packages to print; all others that come along with the imports are not
// part of what a client sees.
var wanted = []protoreflect.FullName{
	"authpb", "etcdserverpb", "grpc.health.v1", "mvccpb", "v3electionpb", "v3lockpb",
}

type pkg struct {
	Name     protoreflect.FullName `json:"name"`
	Services []service             `json:"services"`
	Messages []message             `json:"messages"`
	Enums    []enum                `json:"enums"`
}

type service struct {
	Name    protoreflect.FullName `json:"name"`
	File    string                `json:"file"`
	Methods []method              `json:"methods"`
}

type method struct {
	Name            protoreflect.Name     `json:"name"`
	Path            string                `json:"path"`
	Input           protoreflect.FullName `json:"input"`
	Output          protoreflect.FullName `json:"output"`
	ClientStreaming bool                  `json:"clientStreaming"`
	ServerStreaming bool                  `json:"serverStreaming"`
	HTTPPaths       []string              `json:"httpPaths"`
}

type message struct {
	Name     protoreflect.FullName `json:"name"`
	File     string                `json:"file"`
	Syntax   string                `json:"syntax"`
	MapEntry bool                  `json:"mapEntry"`
	Fields   []field               `json:"fields"`
}

type field struct {
	Name     protoreflect.Name        `json:"name"`
	Number   protoreflect.FieldNumber `json:"number"`
	Type     string                   `json:"type"`
	TypeName *protoreflect.FullName   `json:"typeName"`
	Repeated bool                     `json:"repeated"`
	Packed   bool                     `json:"packed"`
	Presence bool                     `json:"presence"`
	Oneof    *protoreflect.Name       `json:"oneof"`
}

type enum struct {
	Name   protoreflect.FullName `json:"name"`
	File   string                `json:"file"`
	Values []value               `json:"values"`
}

type value struct {
	Name   protoreflect.Name       `json:"name"`
	Number protoreflect.EnumNumber `json:"number"`
}

func main() {
	packages := make([]pkg, 0, len(wanted))
	for _, name := range wanted {
		packages = append(packages, readPackage(name))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(map[string]any{"packages": packages}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// readPackage reads all files of one package, and stops the program when there
// is none: an upgrade that renames a package must not print less in silence.
func readPackage(name protoreflect.FullName) pkg {
	p := pkg{Name: name, Services: []service{}, Messages: []message{}, Enums: []enum{}}
	files := 0
	protoregistry.GlobalFiles.RangeFilesByPackage(name, func(file protoreflect.FileDescriptor) bool {
		files++
		for i := range file.Services().Len() {
			p.Services = append(p.Services, readService(file.Services().Get(i)))
		}
		p.addTypes(file)
		return true
	})
	if files == 0 {
		fmt.Fprintf(os.Stderr, "no file of package %s is registered\n", name)
		os.Exit(1)
	}
	slices.SortFunc(p.Services, func(a, b service) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Messages, func(a, b message) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Enums, func(a, b enum) int { return cmp.Compare(a.Name, b.Name) })
	return p
}

// container is what messages and enums may stand in: a file or a message.
type container interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
}

func (p *pkg) addTypes(in container) {
	for i := range in.Enums().Len() {
		p.Enums = append(p.Enums, readEnum(in.Enums().Get(i)))
	}
	for i := range in.Messages().Len() {
		p.Messages = append(p.Messages, readMessage(in.Messages().Get(i)))
		p.addTypes(in.Messages().Get(i))
	}
}

func readService(d protoreflect.ServiceDescriptor) service {
	s := service{Name: d.FullName(), File: d.ParentFile().Path(), Methods: []method{}}
	for i := range d.Methods().Len() {
		m := d.Methods().Get(i)
		s.Methods = append(s.Methods, method{
			Name:            m.Name(),
			Path:            fmt.Sprintf("/%s/%s", d.FullName(), m.Name()),
			Input:           m.Input().FullName(),
			Output:          m.Output().FullName(),
			ClientStreaming: m.IsStreamingClient(),
			ServerStreaming: m.IsStreamingServer(),
			HTTPPaths:       httpPaths(m),
		})
	}
	slices.SortFunc(s.Methods, func(a, b method) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

// httpPaths gives what the JSON gateway's generator reads: every path to which a
// whole request is POSTed. It stops the program when a rule says anything else.
func httpPaths(m protoreflect.MethodDescriptor) []string {
	paths := []string{}
	rule := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule == nil {
		return paths
	}
	for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		if r.GetPost() == "" || r.GetBody() != "*" {
			fmt.Fprintf(os.Stderr, "%s has another rule than a POST: %v\n", m.FullName(), r)
			os.Exit(1)
		}
		paths = append(paths, r.GetPost())
	}
	return paths
}

func readMessage(d protoreflect.MessageDescriptor) message {
	m := message{
		Name:     d.FullName(),
		File:     d.ParentFile().Path(),
		Syntax:   d.ParentFile().Syntax().String(),
		MapEntry: d.IsMapEntry(),
		Fields:   []field{},
	}
	for i := range d.Fields().Len() {
		m.Fields = append(m.Fields, readField(d.Fields().Get(i)))
	}
	slices.SortFunc(m.Fields, func(a, b field) int { return cmp.Compare(a.Number, b.Number) })
	return m
}

func readField(d protoreflect.FieldDescriptor) field {
	f := field{
		Name:   d.Name(),
		Number: d.Number(),
		Type:   d.Kind().String(),
		// A map is one too on the wire, where its entries are repeated.
		Repeated: d.Cardinality() == protoreflect.Repeated,
		// As in effect: proto3 packs numbers unless told otherwise.
		Packed:   d.IsPacked(),
		Presence: d.HasPresence(),
	}
	if d.Message() != nil {
		name := d.Message().FullName()
		f.TypeName = &name
	}
	if d.Enum() != nil {
		name := d.Enum().FullName()
		f.TypeName = &name
	}
	// A proto3 "optional" has a made-up oneof of its own, which is no part of
	// the message as it is written.
	if oneof := d.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		name := oneof.Name()
		f.Oneof = &name
	}
	return f
}

func readEnum(d protoreflect.EnumDescriptor) enum {
	e := enum{Name: d.FullName(), File: d.ParentFile().Path(), Values: []value{}}
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		e.Values = append(e.Values, value{Name: v.Name(), Number: v.Number()})
	}
	slices.SortStableFunc(e.Values, func(a, b value) int { return cmp.Compare(a.Number, b.Number) })
	return e
}
