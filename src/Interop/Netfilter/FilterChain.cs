namespace Accelerated.Interop.Netfilter;

/// <summary>A chain of rules.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Hook">Where the kernel calls it; <see cref="FilterHook.None"/> for a chain that only others call.</param>
/// <param name="Kind">filter, nat or route; empty without a hook.</param>
/// <param name="DropsByDefault">Whether a packet that reaches its end is dropped.</param>
/// <param name="Devices">The interfaces of an ingress or egress chain; empty otherwise. A trailing <c>*</c> stands for any end.</param>
/// <param name="Rules">Its rules in order.</param>
public sealed record FilterChain(
    string Name, FilterHook Hook, string Kind, bool DropsByDefault, IReadOnlyList<string> Devices, IReadOnlyList<FilterRule> Rules);
