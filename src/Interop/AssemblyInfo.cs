using System.Runtime.CompilerServices;

// Nothing crosses into native code but blittable values: what a signature says is what the callee gets.
[assembly: DisableRuntimeMarshalling]
