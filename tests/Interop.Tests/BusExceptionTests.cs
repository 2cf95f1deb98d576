using Accelerated.Interop.Native;
using Accelerated.Interop.Systemd;

namespace Accelerated.Interop.Tests;

/// <summary>What tells a bus that went away from somebody on it who refused.</summary>
public sealed class BusExceptionTests
{
    [Theory]
    [InlineData(Errno.ECONNRESET, "", true)]
    [InlineData(Errno.ECONNRESET, "System.Error.ECONNRESET", true)] // A call was waiting for its answer (seen with dbus-daemon killed).
    [InlineData(Errno.ENOTCONN, "System.Error.ENOTCONN", true)]
    [InlineData(Errno.EIO, "org.freedesktop.DBus.Error.Disconnected", true)]
    [InlineData(Errno.EACCES, "org.freedesktop.DBus.Error.AccessDenied", false)]
    [InlineData(Errno.EIO, "org.fedoraproject.FirewallD1.Exception", false)]
    [InlineData(Errno.ECONNRESET, "org.example.Refused", false)]
    public void Connection_ThatEnded_IsToldFromARefusal(int errno, string name, bool ended) =>
        Assert.Equal(ended, new BusException("call", errno, name, "words").IsDisconnected);
}
