namespace Accelerated.Interop.Netlink;

/// <summary>The kernel refused a netlink request, or answered it with something that is no netlink message.</summary>
/// <remarks>The message reads <c>replace route 10.5.1.0/24 via 10.5.1.0 dev #5: EINVAL: Invalid argument (Nexthop has invalid gateway)</c>.</remarks>
public sealed class NetlinkException : NativeException
{
    /// <summary>Makes the exception for one request.</summary>
    /// <param name="operation">The request's description.</param>
    /// <param name="errno">The positive error number.</param>
    /// <param name="extendedAck">The kernel's own words (NLMSGERR_ATTR_MSG), or null where it gave none.</param>
    public NetlinkException(string operation, int errno, string? extendedAck = null)
        : base(operation, errno, extendedAck) => ExtendedAck = extendedAck;

    /// <summary>The kernel's own words about the cause, null where it gave none.</summary>
    public string? ExtendedAck { get; }

    /// <summary>Whether the kernel refused because what was to be made is there already (EEXIST).</summary>
    public bool AlreadyExists => Errno == Native.Errno.EEXIST;

    /// <summary>Whether an address or port is in use already (EADDRINUSE).</summary>
    public bool AddressInUse => Errno == Native.Errno.EADDRINUSE;

    /// <summary>The exception for bytes that do not parse: EBADMSG, with what is wrong in place of the kernel's words.</summary>
    internal static NetlinkException Malformed(string what) => new("parse netlink message", Native.Errno.EBADMSG, what);
}
