namespace Accelerated.Interop.Systemd;

/// <summary>The message bus, or whoever was asked on it, refused.</summary>
public sealed class BusException : NativeException
{
    private const string OfErrno = "System.Error.";
    private const string Disconnected = "org.freedesktop.DBus.Error.Disconnected";

    internal BusException(string operation, int errno, string name = "", string message = "")
        : base(operation, errno, message.Length == 0 ? name : message) => Name = name;

    /// <summary>The D-Bus error, such as <c>org.freedesktop.DBus.Error.AccessDenied</c>; empty for an error of the connection.</summary>
    public string Name { get; }

    /// <summary>Whether the connection has ended: the bus is being restarted, or there is none.</summary>
    /// <remarks>A call that waits for its answer when that happens fails with a name that sd-bus has made of the error number.</remarks>
    public bool IsDisconnected => Name == Disconnected
        || ((Name.Length == 0 || Name.StartsWith(OfErrno, StringComparison.Ordinal)) && Errno is Native.Errno.ENOTCONN or Native.Errno.ECONNRESET or Native.Errno.EPIPE);
}
