// Package docs holds the documents against what they describe: links lead somewhere, the reference names what the code
// has and nothing else, kustomizations build, and the commands do on a real control plane what they are said to do.
package docs
