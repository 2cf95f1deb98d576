using System.Runtime.CompilerServices;
using Accelerated.Interop.Native;
using Accelerated.Interop.Netlink;

namespace Accelerated.Interop.Libbpf;

/// <summary>Attaches tc programs as direct-action filters under the clsact qdisc: the way of kernels without tcx.</summary>
/// <remarks>
/// All calls work in the network namespace of the calling thread. A filter stays until it is removed, or its interface is. A program that
/// returns TC_ACT_UNSPEC lets the next filter decide. The qdisc is never removed: others may use it, and taking it away stops an interface's
/// queues for a moment.
/// </remarks>
public static unsafe class Clsact
{
    private const string QdiscKind = "clsact";
    private const string FilterKind = "bpf";

    /// <summary>Puts a program into a slot, in place of the one before if there is one
    /// (<c>tc filter replace dev IF ingress prio P handle H bpf da …</c>).</summary>
    /// <returns>Whether the qdisc had to be made.</returns>
    /// <exception cref="NativeException">ENODEV: no such interface. EINVAL: a filter of another kind has the priority. EPERM: CAP_NET_ADMIN
    /// is missing. EEXIST: an ingress qdisc is where clsact should be, and egress was asked for.</exception>
    public static bool Attach(BpfProgram program, int interfaceIndex, TcxHook hook, TcFilterSlot slot)
    {
        ArgumentNullException.ThrowIfNull(program);
        var operation = $"attach {program.Name} to {hook} of interface #{interfaceIndex} as a filter";
        var (created, warnings) = LibbpfLog.Capture(() =>
        {
            var both = Hook(interfaceIndex, LibbpfApi.BPF_TC_INGRESS | LibbpfApi.BPF_TC_EGRESS);
            return LibbpfApi.bpf_tc_hook_create(&both);
        });
        if (created != -Errno.EEXIST)
            BpfDescriptor.Check(created, $"make the {QdiscKind} qdisc of interface #{interfaceIndex}", warnings);

        // The older ingress qdisc has the same address and one list of filters: one meant for egress would see what comes in.
        else if (hook == TcxHook.Egress && FindQdisc(interfaceIndex) is { } kind && kind != QdiscKind)
            throw new NativeException(operation, Errno.EEXIST, $"the interface has a qdisc {kind}, which has no egress");

        (var attached, warnings) = LibbpfLog.Capture(() =>
        {
            var at = Hook(interfaceIndex, Point(hook));
            var options = Options(slot);
            options.prog_fd = (int)program.Descriptor.DangerousGetHandle();
            options.flags = LibbpfApi.BPF_TC_F_REPLACE;
            return LibbpfApi.bpf_tc_attach(&at, &options);
        });
        GC.KeepAlive(program);
        BpfDescriptor.Check(attached, operation, warnings);
        return created == 0;
    }

    /// <summary>The number of the program in a slot (<see cref="BpfProgram.Id"/>); null when it is empty.</summary>
    /// <exception cref="NativeException">A filter of another kind has the slot (EINVAL).</exception>
    public static uint? FindProgram(int interfaceIndex, TcxHook hook, TcFilterSlot slot)
    {
        LibbpfApi.EnsureLoaded();
        using (var route = RouteSocket.Open())
        {
            // Asked for a filter of a list that is empty, the kernel answers EINVAL ("Cannot find specified filter chain").
            if (FindFilter(route, interfaceIndex, hook, slot) is null)
                return null;
        }

        var ((result, id), warnings) = LibbpfLog.Capture(() =>
        {
            var at = Hook(interfaceIndex, Point(hook));
            var options = Options(slot);
            return (LibbpfApi.bpf_tc_query(&at, &options), options.prog_id);
        });
        if (result is -Errno.ENOENT or -Errno.ENODEV)
            return null;
        BpfDescriptor.Check(result, $"look for the filter on {hook} of interface #{interfaceIndex}", warnings);
        return id;
    }

    /// <summary>Whether a hook has filters other than the one in a slot.</summary>
    public static bool HasOthers(int interfaceIndex, TcxHook hook, TcFilterSlot slot)
    {
        using var route = RouteSocket.Open();
        return route.GetFilters(interfaceIndex, Parent(hook)).Any(f => !IsIn(slot, f)) && IsOn(hook, FindQdisc(route, interfaceIndex));
    }

    /// <summary>Empties a slot; false when it was, or the interface is gone. The qdisc stays. Needs no libbpf.</summary>
    /// <exception cref="NetlinkException">A filter of another kind has the slot (EINVAL), or CAP_NET_ADMIN is missing.</exception>
    public static bool Detach(int interfaceIndex, TcxHook hook, TcFilterSlot slot)
    {
        using var route = RouteSocket.Open();
        if (FindFilter(route, interfaceIndex, hook, slot) is not { } filter)
            return false;
        route.Execute(RouteRequest.DeleteFilter(interfaceIndex, Parent(hook), filter with { Kind = FilterKind }));
        return true;
    }

    private static TrafficFilter? FindFilter(RouteSocket route, int interfaceIndex, TcxHook hook, TcFilterSlot slot) =>
        IsOn(hook, FindQdisc(route, interfaceIndex)) ? route.GetFilters(interfaceIndex, Parent(hook)).FirstOrDefault(f => IsIn(slot, f)) : null;

    private static uint Parent(TcxHook hook) =>
        hook == TcxHook.Ingress ? TrafficControlMessages.ClsactIngress : TrafficControlMessages.ClsactEgress;

    private static bool IsIn(TcFilterSlot slot, TrafficFilter filter) => filter.Handle == slot.Handle && filter.Priority == slot.Priority;

    // The older ingress qdisc has one list of filters and shows it under both hooks.
    private static bool IsOn(TcxHook hook, string? qdisc) => qdisc == QdiscKind || (qdisc is not null && hook == TcxHook.Ingress);

    private static int Point(TcxHook hook) => hook == TcxHook.Ingress ? LibbpfApi.BPF_TC_INGRESS : LibbpfApi.BPF_TC_EGRESS;

    private static BpfTcHook Hook(int interfaceIndex, int points) =>
        new() { sz = (nuint)Unsafe.SizeOf<BpfTcHook>(), ifindex = interfaceIndex, attach_point = points };

    private static BpfTcOpts Options(TcFilterSlot slot) =>
        new() { sz = (nuint)Unsafe.SizeOf<BpfTcOpts>(), handle = slot.Handle, priority = slot.Priority };

    private static string? FindQdisc(int interfaceIndex)
    {
        using var route = RouteSocket.Open();
        return FindQdisc(route, interfaceIndex);
    }

    private static string? FindQdisc(RouteSocket route, int interfaceIndex) =>
        route.GetQdiscs(interfaceIndex).FirstOrDefault(q => q.Parent == TrafficControlMessages.TC_H_CLSACT)?.Kind;
}
